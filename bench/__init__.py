"""Benchmarks through the real `func start` on a real Azurite, each beside its ceiling. Run: `python -m bench`."""
