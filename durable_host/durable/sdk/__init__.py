"""Codecs between the host's form of orchestrations and the protocol of each SDK generation."""
