"""The task hub in Azure Storage: queues, tables and blobs laid out as the official backend lays them out.

Start with `hub.AzureTaskHub`; the codecs (`envelope`, `history_rows`, `instance_rows`) are pure.
"""

from durable_host.durable.taskhub.azure.hub import AzureTaskHub
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions

__all__ = ["AzureTaskHub", "AzureTaskHubOptions"]
