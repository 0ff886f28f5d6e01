"""One episode of an orchestration or one batch of an entity, deterministic and without I/O.

There is no clock and no randomness here: times and IDs are passed in as arguments.
"""
