"""The embedded task hub: one SQLite file (or `:memory:`) instead of a storage account.

For tests, virtual time, and for those who want no Azurite. Limits: see `hub.SqliteTaskHub`.
"""

from durable_host.durable.taskhub.sqlite.foreign import ForeignSqliteHub
from durable_host.durable.taskhub.sqlite.hub import SqliteTaskHub
from durable_host.durable.taskhub.sqlite.schema import is_there

__all__ = ["ForeignSqliteHub", "SqliteTaskHub", "is_there"]
