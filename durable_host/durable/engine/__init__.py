"""One episode of an orchestration or a batch of an entity, as pure functions: state in, decisions out.

No I/O, no clock, no randomness: times and ids come in as arguments.
"""
