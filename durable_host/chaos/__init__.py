"""Faults on purpose: duplicates, redeliveries, delays, lost leases, failing storage, killed workers.

A `ChaosSpec` says which faults may happen and how often, an `Injector` decides when one happens.
"""
