"""Keys of the host and of its functions: kept in storage as Azure keeps them, and what they give access to."""

from durable_host.web.keys.access import Access, Verdict
from durable_host.web.keys.keyring import KeyRing
from durable_host.web.keys.repository import BlobKeys, FileKeys, KeyRepository, KeysUnavailable
from durable_host.web.keys.routes import KeyRoutes

__all__ = ["Access", "BlobKeys", "FileKeys", "KeyRepository", "KeyRing", "KeyRoutes", "KeysUnavailable", "Verdict"]
