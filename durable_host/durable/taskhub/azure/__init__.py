"""The task hub in Azure Storage: queues, tables and blobs in the layout of the official backend.

Start with `hub.AzureTaskHub`. The codecs (`envelope`, `history_rows`, `instance_rows`) are pure.
"""

from durable_host.durable.taskhub.azure.hub import AzureTaskHub
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions

__all__ = ["AzureTaskHub", "AzureTaskHubOptions"]
