"""Blueprints of the app, one file a workflow."""
