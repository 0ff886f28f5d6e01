"""The Event Grid trigger: receives events through a webhook of the host."""
