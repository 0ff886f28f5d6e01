"""Codecs between the neutral form of orchestrations and what an SDK generation speaks."""
