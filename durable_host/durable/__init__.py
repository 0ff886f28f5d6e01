"""Durable Functions: model, engine, task hub, SDK codecs, runtime and client API."""
