"""The client operations of Durable Functions and their HTTP API.

`DurableClient` carries them out. `DurableHttpApi` in `http.py` uses it to answer requests of users and of the 1.x SDK;
commands, which are clients only, do not import it.
"""

from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.client_payload import ManagementUrls, client_payload
from durable_host.durable.api.retention import Retention

__all__ = ["DurableClient", "ManagementUrls", "Retention", "client_payload"]
