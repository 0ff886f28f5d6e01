"""The timer trigger: schedules, the schedule monitor in storage, and the listener that fires."""
