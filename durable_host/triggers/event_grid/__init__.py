"""Event Grid: events that are posted to a webhook of the host."""
