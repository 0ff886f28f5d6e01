"""Keys of the host and of its functions: stored in Azure's format, and checked against requests."""

from durable_host.web.keys.access import Access, Verdict
from durable_host.web.keys.key_routes import KeyRoutes
from durable_host.web.keys.keyring import KeyRing
from durable_host.web.keys.repository import BlobKeys, FileKeys, KeyRepository, KeysUnavailable

__all__ = ["Access", "BlobKeys", "FileKeys", "KeyRepository", "KeyRing", "KeyRoutes", "KeysUnavailable", "Verdict"]
