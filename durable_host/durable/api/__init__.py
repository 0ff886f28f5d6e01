"""The client operations of Durable Functions and their HTTP API.

`DurableClient` carries them out. `DurableHttpApi` uses it to answer requests of users and of the 1.x SDK.
"""

from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.client_payload import ManagementUrls, client_payload
from durable_host.durable.api.http import DurableHttpApi, raw_tail
from durable_host.durable.api.retention import Retention
from durable_host.durable.api.rpc_server import RpcServer

__all__ = ["DurableClient", "DurableHttpApi", "ManagementUrls", "Retention", "RpcServer", "client_payload", "raw_tail"]
