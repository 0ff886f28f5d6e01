"""Finds the development account that the app's own code uses through its environment.

The accounts of bindings are known after indexing, but the app's code may use storage earlier, when it is imported.
"""

from contextlib import suppress

from durable_host.config import HostConfig
from durable_host.config.connection import Connection
from durable_host.config.connections import parse_connection_string
from durable_host.errors import ConfigurationError
from durable_host.host.watched_files import WatchRules
from durable_host.host.worker_kinds import worker_kind_of

_MARKS = ("usedevelopmentstorage=true", "devstoreaccount1")
_LARGEST_FILE = 1_000_000


def connection_of_code(config: HostConfig) -> Connection | None:
    """The development account whose setting a source file of the app reads from the environment, or None."""
    connections = _development_accounts(config)
    if not connections:
        return None
    kind = worker_kind_of(config.runtime)
    sources, reads = kind.sources(config.root), kind.reads_of_settings(connections)
    for path, (_, size) in WatchRules(config.root, sources=sources).file_times().items():
        if path.suffix in sources.suffixes and size <= _LARGEST_FILE:
            with suppress(OSError):
                if found := reads.search(path.read_text("utf-8", "replace")):
                    return connections[found[1]]
    return None


def _development_accounts(config: HostConfig) -> dict[str, Connection]:
    found: dict[str, Connection] = {}
    for name, value in config.settings.items():
        if any(mark in value.lower() for mark in _MARKS):
            with suppress(ConfigurationError):
                found[name] = parse_connection_string(value, name)
    return found
