"""Finds, installs, starts and stops Azurite, the local storage service.

All functions are blocking: call them in a thread.
"""

from durable_host.storage.azurite.azurite_process import AzuriteProcess
from durable_host.storage.azurite.docker import AzuriteContainer
from durable_host.storage.azurite.errors import AzuriteError
from durable_host.storage.azurite.launcher import (
    Mode,
    connection_string,
    ensure_azurite,
    free_connection,
    is_local_development,
    start_azurite,
)
from durable_host.storage.azurite.probe import ServiceHealth, StorageHealth, probe

__all__ = [
    "AzuriteContainer",
    "AzuriteError",
    "AzuriteProcess",
    "Mode",
    "ServiceHealth",
    "StorageHealth",
    "connection_string",
    "ensure_azurite",
    "free_connection",
    "is_local_development",
    "probe",
    "start_azurite",
]
