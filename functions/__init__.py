"""Blueprints of the app, one file per workflow."""
