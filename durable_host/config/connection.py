"""An Azure Storage account and how to reach it."""

import msgspec


class Connection(msgspec.Struct, frozen=True):
    """An account. Endpoints have no trailing slash; None if the connection does not have the service.

    There is exactly one way to authorize: `account_key` (base64, SharedKey), `sas` (query string without `?`), or
    neither, which means a token of the credential in `credential_settings` (empty: the default chain).
    `setting` is the name of its app setting, for messages. `repr` never shows secrets.
    """

    account_name: str
    blob_endpoint: str | None = None
    queue_endpoint: str | None = None
    table_endpoint: str | None = None
    account_key: str | None = None
    sas: str | None = None
    credential_settings: tuple[tuple[str, str], ...] = ()
    setting: str = "AzureWebJobsStorage"

    @property
    def is_development(self) -> bool:
        """True for the development account (Azurite), whose endpoint path is the account name."""
        for endpoint in (self.queue_endpoint, self.blob_endpoint, self.table_endpoint):
            if endpoint:
                return endpoint.rsplit("/", 1)[-1] == self.account_name
        return False

    def __repr__(self) -> str:
        return f"Connection({self.account_name}, setting={self.setting})"
