"""Runs the tests of an app against a real `func start` with its own Azurite, in a process that the test controls."""
