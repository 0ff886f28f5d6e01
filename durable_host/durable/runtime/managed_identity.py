"""Bearer tokens for `call_http` with a token source, from the default Azure credential.

Source: docs/protocol/durable-actions.md#callhttp
"""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from azure.identity.aio import DefaultAzureCredential

_WITH_DEFAULT_SCOPE = frozenset({"https://management.core.windows.net", "https://graph.microsoft.com"})


class TokenUnavailable(Exception):
    """No token is available for a resource. The text says which one, why, and what to do."""


class TokenSource:
    """Gets tokens. Credentials are created on first use and cached by their options."""

    def __init__(self) -> None:
        self._credentials: dict[tuple[str | None, str | None], DefaultAzureCredential] = {}

    async def bearer(self, source: dict[str, Any]) -> str:
        """Return a token for the `resource` of a token source. Raises `TokenUnavailable`."""
        resource = source.get("resource")
        if not isinstance(resource, str) or not resource:
            raise TokenUnavailable("The token source of call_http has no resource.")
        options: Any = source.get("options")
        given = cast("dict[str, Any]", options) if isinstance(options, dict) else {}
        authority, tenant = given.get("authorityhost"), given.get("tenantid")
        try:
            credential = self._credential(authority, tenant)
            return (await credential.get_token(scope_of(resource))).token
        except Exception as error:
            reason = str(error).split("\n", 1)[0]
            raise TokenUnavailable(
                f"No token for the resource '{resource}': {reason} Sign in with 'az login', or set "
                "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET."
            ) from error

    async def close(self) -> None:
        for credential in self._credentials.values():
            await credential.close()

    def _credential(self, authority: str | None, tenant: str | None) -> "DefaultAzureCredential":
        from azure.identity.aio import DefaultAzureCredential

        key = (authority, tenant)
        if key not in self._credentials:
            options: dict[str, Any] = {}
            if authority:
                options["authority"] = authority
            if tenant:
                options |= {"additionally_allowed_tenants": [tenant], "workload_identity_tenant_id": tenant}
            self._credentials[key] = DefaultAzureCredential(**options)
        return self._credentials[key]


def scope_of(resource: str) -> str:
    """Return the scope to request. Two resources get the default suffix, as in the reference."""
    plain = resource.rstrip("/")
    return f"{plain}/.default" if plain in _WITH_DEFAULT_SCOPE else resource
