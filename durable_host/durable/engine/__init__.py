"""One episode of an orchestration or a batch of an entity, deterministic and without I/O.

No I/O, no clock, no randomness: times and ids come in as arguments.
"""
