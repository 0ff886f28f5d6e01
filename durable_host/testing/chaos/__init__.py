"""Chaos runs of tests: many runs with faults, and the shortest schedule of faults that makes a test fail.

`durable_host.chaos` decides and injects faults. This package repeats tests, shrinks schedules and reports.
"""
