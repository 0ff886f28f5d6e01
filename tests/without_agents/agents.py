"""Replaces `openai-agents`. See `tests/fast_start.py`."""

raise ImportError("Most tests run as without openai-agents.", name="agents")
