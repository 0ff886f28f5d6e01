"""The URLs of the management API, and the JSON that the durableClient binding passes to user code.

Source: docs/protocol/durable-client.md#client-payload, docs/protocol/durable-http-api.md#starting-an-instance
"""

import json
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from durable_host.config import timespan
from durable_host.config.durable import DurableOptions

WEBHOOK_PATH = "/runtime/webhooks/durabletask"
RPC_PATH = "/durabletask"
INSTANCE_PLACEHOLDER = "INSTANCEID"


class ManagementUrls(msgspec.Struct, frozen=True, kw_only=True):
    """The common parts of one task hub's URLs. `base_url` has no trailing slash; `key` is a system key."""

    base_url: str
    task_hub: str
    connection: str = "Storage"
    key: str | None = None

    def status(self, instance_id: str) -> str:
        return self._of(instance_id, "")

    def all_of(self, instance_id: str, *, with_rewind: bool) -> dict[str, str]:
        """Return the management URLs. The first entry, `id`, is the plain ID; in the URLs it is form-encoded."""
        urls = {
            "id": instance_id,
            "statusQueryGetUri": self.status(instance_id),
            "sendEventPostUri": self._of(instance_id, "/raiseEvent/{eventName}"),
            "terminatePostUri": self._of(instance_id, "/terminate", "reason={text}"),
            "rewindPostUri": self._of(instance_id, "/rewind", "reason={text}"),
            "purgeHistoryDeleteUri": self._of(instance_id, ""),
            "restartPostUri": self._of(instance_id, "/restart"),
            "suspendPostUri": self._of(instance_id, "/suspend", "reason={text}"),
            "resumePostUri": self._of(instance_id, "/resume", "reason={text}"),
        }
        if not with_rewind:
            del urls["rewindPostUri"]
        return urls

    def creation(self) -> dict[str, str]:
        start = f"{self.base_url}/orchestrators/{{functionName}}[/{{instanceId}}]?"
        key = self._key()
        return {
            "createNewInstancePostUri": start + key,
            "createAndWaitOnNewInstancePostUri": (
                f"{start}timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&{key}"
            ),
        }

    def required_query(self) -> str:
        return self._key()

    def common_query(self) -> str:
        """Return the parameters of every URL, without a leading `?`."""
        return _common_query(self.task_hub, self.connection, self.key)

    def _of(self, instance_id: str, operation: str, query: str = "") -> str:
        before = f"{query}&" if query else ""
        return f"{self.base_url}/instances/{_form_encoded(instance_id)}{operation}?{before}{self.common_query()}"

    def _key(self) -> str:
        return _key_query(self.key)


@lru_cache(maxsize=16)
def _common_query(task_hub: str, connection: str, key: str | None) -> str:
    hub = f"taskHub={quote(task_hub, safe='')}&connection={quote(connection, safe='')}"
    return "&".join(part for part in (hub, _key_query(key)) if part)


def _key_query(key: str | None) -> str:
    return f"code={quote(key, safe='')}" if key else ""


@lru_cache(maxsize=16)
def _form_encoded(instance_id: str) -> str:
    return quote_plus(instance_id, safe="!*()", errors="replace").replace("~", "%7E")


def client_payload(
    urls: ManagementUrls, *, rpc_base_url: str | None, connection_name: str | None = None
) -> dict[str, Any]:
    """Return the JSON object of the durableClient binding.

    `rpc_base_url` ends in `/`, or is None when the RPC endpoint is disabled. `connection_name` is the binding's own.
    """
    payload: dict[str, Any] = {
        "taskHubName": urls.task_hub,
        "connectionName": connection_name,
        "creationUrls": urls.creation(),
        "managementUrls": urls.all_of(INSTANCE_PLACEHOLDER, with_rewind=True),
        "baseUrl": urls.base_url,
        "requiredQueryStringParameters": urls.required_query(),
        "rpcBaseUrl": rpc_base_url,
        "httpBaseUrl": None,
        "maxGrpcMessageSizeInBytes": None,
        "grpcHttpClientTimeout": None,
    }
    if rpc_base_url is None:
        del payload["rpcBaseUrl"]
    return payload


def grpc_client_payload(
    urls: ManagementUrls, options: DurableOptions, *, rpc_base_url: str | None, connection_name: str | None = None
) -> str:
    """Return the text of the durableClient binding for the 2.x SDK, whose client uses gRPC and builds URLs itself.

    The SDK keeps one client per text, so the text is the same each time.
    """
    payload: dict[str, Any] = {
        "taskHubName": urls.task_hub,
        "connectionName": connection_name,
        "rpcBaseUrl": rpc_base_url,
        "httpBaseUrl": urls.base_url,
        "requiredQueryStringParameters": urls.common_query(),
        "maxGrpcMessageSizeInBytes": options.max_grpc_message_size,
        "grpcHttpClientTimeout": json.dumps(timespan.render(options.grpc_http_client_timeout)),
    }
    if options.use_forwarded_host:
        payload["useForwardedHost"] = True
    return json.dumps(payload, separators=(",", ":"))
