"""Secrets in console lines. Spec: functions-host.md, section 2.5."""

import pytest

from durable_host.cli.sanitiser import sanitise


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide", "nothing to hide"),
        ("a = b", "a = b"),
        ("AccountName=a;AccountKey=SECRET;x=1", "AccountName=a;[Hidden Credential]"),
        ("conn 'DefaultEndpointsProtocol=https;AccountKey=SECRET' failed", "conn '[Hidden Credential]' failed"),
        ('{"url": "http://x/?sig=SECRET&a=1"}', '{"url": "http://x/[Hidden Credential]"}'),
        ("http://x/api/f?code=SECRET", "http://x/api/f[Hidden Credential]"),
        ("PASSWORD=SECRET\nnext line", "[Hidden Credential]\nnext line"),
        ("<a>Token=SECRET</a>", "<a>[Hidden Credential]</a>"),
        ("Server=s;pwd=SECRET", "[Hidden Credential]"),
    ],
)
def test_credentials_are_hidden(text: str, shown: str):
    assert sanitise(text) == shown
