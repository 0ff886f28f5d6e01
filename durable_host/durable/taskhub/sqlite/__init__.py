"""The embedded task hub: one SQLite file (or `:memory:`) instead of a storage account.

It serves tests, virtual time, and users who do not want Azurite. For its limits, see `hub.SqliteTaskHub`.
"""

from durable_host.durable.taskhub.sqlite.foreign import ForeignSqliteHub
from durable_host.durable.taskhub.sqlite.hub import SqliteTaskHub
from durable_host.durable.taskhub.sqlite.schema import is_there

__all__ = ["ForeignSqliteHub", "SqliteTaskHub", "is_there"]
