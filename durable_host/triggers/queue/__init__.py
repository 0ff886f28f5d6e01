"""The queue trigger: polls a queue and invokes a function for each message."""
