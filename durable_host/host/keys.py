"""Selects where this host stores its keys.

Source: docs/protocol/functions-host.md#key-documents
"""

import platform
from functools import partial

from durable_host.bindings.accounts import Accounts
from durable_host.config import HostConfig
from durable_host.host.triggers import host_account
from durable_host.host_id import host_id_of, instance_id
from durable_host.storage.azurite import is_local_development
from durable_host.web.keys import BlobKeys, FileKeys, KeyRing
from durable_host.web.keys.repository import folder_of_keys


def key_ring(config: HostConfig, accounts: Accounts, *, is_storage_up: bool) -> KeyRing:
    """The keys of the host.

    They are stored in the host's account, or in files: if there is no account, if the settings ask for files, or if
    nothing else needs the development account.
    """
    host_id, account = host_id_of(config.root, config.settings), host_account(accounts)
    instance = instance_id(platform.node())
    in_files = config.settings.get("AzureWebJobsSecretStorageType", "").lower() == "files"
    if account is None or in_files or (is_local_development(account.connection) and not is_storage_up):
        return KeyRing(FileKeys(partial(folder_of_keys, host_id)), instance)
    return KeyRing(BlobKeys(account.blobs, host_id), instance)
