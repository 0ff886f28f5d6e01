"""Official Azure SDK clients over the session of our own requests; imported when they are first asked for."""

from typing import Any

from durable_host.config.connection import Connection
from durable_host.storage.transport import AccountSession


class SdkClients:
    """Hands out one aio client a service. They share connections with the account and are closed with it."""

    def __init__(self, connection: Connection, session: AccountSession, credential: Any) -> None:
        self._connection = connection
        self._session = session
        self._credential = credential
        self._clients: dict[str, Any] = {}

    def queue_service(self, endpoint: str) -> Any:
        """`azure.storage.queue.aio.QueueServiceClient`."""
        if "queue" not in self._clients:
            from azure.storage.queue.aio import QueueServiceClient

            self._clients["queue"] = QueueServiceClient(
                endpoint, credential=self._storage_credential(), transport=self._transport()
            )
        return self._clients["queue"]

    def blob_service(self, endpoint: str) -> Any:
        """`azure.storage.blob.aio.BlobServiceClient`."""
        if "blob" not in self._clients:
            from azure.storage.blob.aio import BlobServiceClient

            self._clients["blob"] = BlobServiceClient(
                endpoint, credential=self._storage_credential(), transport=self._transport()
            )
        return self._clients["blob"]

    def table_service(self, endpoint: str) -> Any:
        """`azure.data.tables.aio.TableServiceClient`."""
        if "table" not in self._clients:
            from azure.core.credentials import AzureNamedKeyCredential
            from azure.data.tables.aio import TableServiceClient

            connection = self._connection
            if connection.account_key:
                credential: Any = AzureNamedKeyCredential(connection.account_name, connection.account_key)
            else:
                credential = self._storage_credential()
            self._clients["table"] = TableServiceClient(
                endpoint=endpoint, credential=credential, transport=self._transport()
            )
        return self._clients["table"]

    def _storage_credential(self) -> Any:
        connection = self._connection
        if connection.account_key:
            return {"account_name": connection.account_name, "account_key": connection.account_key}
        if connection.sas:
            from azure.core.credentials import AzureSasCredential

            return AzureSasCredential(connection.sas)
        return self._credential

    def _transport(self) -> Any:
        from azure.core.pipeline.transport import AioHttpTransport

        return AioHttpTransport(session=self._session.get(), session_owner=False, use_env_settings=False)
