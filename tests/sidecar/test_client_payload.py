"""The value of the durable client binding in an app of the 2.x SDK."""

import json

from runtime_world import runtime_options

from durable_host.durable.api import ManagementUrls
from durable_host.durable.api.client_payload import grpc_client_payload

_URLS = ManagementUrls(
    base_url="http://localhost:7071/runtime/webhooks/durabletask",
    task_hub="TestHubName",
    connection="Storage",
    key="abc",
)


def test_the_payload_names_the_grpc_endpoint_and_the_base_of_the_urls() -> None:
    text = grpc_client_payload(
        _URLS, runtime_options(), rpc_base_url="http://127.0.0.1:43017", connection_name="Storage"
    )
    assert text == (
        '{"taskHubName":"TestHubName","connectionName":"Storage","rpcBaseUrl":"http://127.0.0.1:43017",'
        '"httpBaseUrl":"http://localhost:7071/runtime/webhooks/durabletask",'
        '"requiredQueryStringParameters":"taskHub=TestHubName&connection=Storage&code=abc",'
        '"maxGrpcMessageSizeInBytes":4194304,"grpcHttpClientTimeout":"\\"00:01:40\\""}'
    )


def test_the_payload_follows_host_json() -> None:
    options = runtime_options(max_grpc_message_size=5, grpc_http_client_timeout=7.0, use_forwarded_host=True)
    payload = json.loads(grpc_client_payload(_URLS, options, rpc_base_url=None))
    assert payload["maxGrpcMessageSizeInBytes"] == 5
    assert payload["grpcHttpClientTimeout"] == '"00:00:07"'
    assert payload["useForwardedHost"] is True
    assert payload["rpcBaseUrl"] is None
