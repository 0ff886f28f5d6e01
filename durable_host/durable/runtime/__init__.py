"""Drives the engine: receives messages, keeps sessions, runs orchestrations, activities and entities, commits."""
