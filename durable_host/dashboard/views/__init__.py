"""Pure views of a history, as the dashboard shows it: no I/O."""
