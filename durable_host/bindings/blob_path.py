"""The `path` of a blob binding: `container/name`, or the absolute URL of a blob.

Source: docs/protocol/functions-host-blobs.md#blob-input
"""

from urllib.parse import unquote, urlsplit

from durable_host.bindings.properties import BindingFailed
from durable_host.config.connection import Connection


def container_and_blob(path: str, connection: Connection) -> tuple[str, str]:
    """Raises BindingFailed."""
    shown = path
    if path.lower().startswith(("http://", "https://")):
        path = unquote(urlsplit(path).path)
        if connection.is_development:
            path = path.removeprefix(f"/{connection.account_name}")
    container, slash, name = path.lstrip("/").partition("/")
    if not container or not slash or not name:
        raise BindingFailed(
            f"Invalid blob path specified : '{shown}'. Blob identifiers must be in the format 'container/blob'."
        )
    if "\\" in name:
        raise BindingFailed(
            f"The given blob name '{name}' contains illegal characters. A blob name cannot contain the character '\\'."
        )
    return container.lower(), name
