"""What tests install once for a user: all clones of the repository share it."""

import os
from pathlib import Path


def user_cache() -> Path:
    """The folder of it, which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "durable-host-tests"
