"""What the real Functions host makes of settings and hands to the durable client. Each test names its row of the
reference page `functions-host`.
"""

import json
from pathlib import Path

import pytest

from durable_host.config import load
from durable_host.durable.api import ManagementUrls, client_payload


@pytest.mark.parametrize(("text", "seconds"), [("10", 864_000), ("1", 86_400), ("00:00:10", 10)])
def test_the_maximum_age_may_be_a_number_of_days(tmp_path: Path, text: str, seconds: int) -> None:
    """functions-host 29: the maximum age may be a number of days"""
    options = {"hsts": {"isEnabled": True, "maxAge": text}}
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"http": options}}))
    config = load(tmp_path, environ={})
    assert config.host.http.hsts == f"max-age={seconds}"
    assert ["means" in warning for warning in config.warnings] == ([True] if text.isdigit() else [])


def test_the_durable_client_gets_the_members_for_grpc_without_values() -> None:
    """functions-host 29: the durable client gets the members for grpc without values"""
    urls = ManagementUrls(base_url="http://localhost:7071/runtime/webhooks/durabletask", task_hub="Hub", key="KEY")
    payload = client_payload(urls, rpc_base_url="http://127.0.0.1:1/durabletask/")
    assert payload["maxGrpcMessageSizeInBytes"] is None
    assert payload["grpcHttpClientTimeout"] is None
    assert payload["requiredQueryStringParameters"] == "code=KEY"
    assert all("code=KEY" in url for name, url in payload["managementUrls"].items() if name != "id")
