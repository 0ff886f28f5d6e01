"""The configuration of the host, resolved once into frozen records: host.json, settings, connections.

`load` builds the HostConfig that is passed down; no other code reads the environment or these files.
"""

from durable_host.config.connection import Connection
from durable_host.config.connections import ConnectionInvalid, ConnectionMissing
from durable_host.config.durable import DurableOptions
from durable_host.config.extensions import BlobOptions, HttpOptions, QueueOptions
from durable_host.config.host_config import HostConfig, load
from durable_host.config.host_json import HostJson
from durable_host.config.log_levels import LogLevels
from durable_host.config.overrides import Overrides
from durable_host.config.retry import RetryOptions
from durable_host.config.settings import AppSettings, SettingMissing, resolve_percent
from durable_host.config.start_options import FunctionLine, Presenter, StartOptions, StartSummary

__all__ = [
    "AppSettings",
    "BlobOptions",
    "Connection",
    "ConnectionInvalid",
    "ConnectionMissing",
    "DurableOptions",
    "FunctionLine",
    "HostConfig",
    "HostJson",
    "HttpOptions",
    "LogLevels",
    "Overrides",
    "Presenter",
    "QueueOptions",
    "RetryOptions",
    "SettingMissing",
    "StartOptions",
    "StartSummary",
    "load",
    "resolve_percent",
]
