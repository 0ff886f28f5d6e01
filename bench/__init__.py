"""Benchmarks of the real `func start` on a real Azurite, each next to its upper bound. Run: `python -m bench`."""
