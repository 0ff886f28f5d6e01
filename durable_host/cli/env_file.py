"""`--env-file`: settings from a `.env` file.

The environment takes precedence over the file, and the file over local.settings.json.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

from durable_host.errors import UsageError


def load_env_file(path: str, environ: MutableMapping[str, str] = os.environ) -> None:
    """Add the file's settings to `environ`; names that it already has stay unchanged. Raises UsageError."""
    from dotenv import dotenv_values

    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            values = dotenv_values(stream=file)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The file '{path}' of --env-file cannot be read.", cause=str(error), code="DH1042") from error
    for name, value in values.items():
        if value is not None and name:
            environ.setdefault(name, value)
