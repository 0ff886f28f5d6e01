"""JSON texts of apps in responses keep their spelling, and the response is always valid JSON."""

import json

import pytest

from durable_host.durable.api.embedded_json import InvalidJson, checked, compact, decoded, embedded, encoded


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"a": 1.0}', '{"a": 1.0}'),
        ("1e400", "1e400"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("NaN", '"NaN"'),
        ("[Infinity, -Infinity, 1]", '["Infinity", "-Infinity", 1]'),
        ('{"a": NaN}', '{"a": "NaN"}'),
        ("not JSON", '"not JSON"'),
        ("", '""'),
    ],
)
def test_a_text_is_embedded_as_json_or_else_as_a_string(text: str, answer: str) -> None:
    assert encoded(embedded(text)).decode() == answer


def test_no_text_is_null() -> None:
    assert encoded(embedded(None)) == b"null"


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    answer = {"\ud800": ["a\udc00", {"b": "\U0001f600"}], "n": 1}
    assert json.loads(encoded(answer)) == {"\ufffd": ["a\ufffd", {"b": "\U0001f600"}], "n": 1}


@pytest.mark.parametrize("text", ['{"a": 1}', "NaN", "1.50"])
def test_json_passes_the_check_unchanged(text: str) -> None:
    assert checked(text) == text


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_other_texts_do_not(text: str) -> None:
    with pytest.raises(InvalidJson):
        checked(text)


@pytest.mark.parametrize(
    ("text", "short"), [('{ "a" : [ 1.0 , 2 ] }', '{"a":[1.0,2]}'), ("[ NaN, 1 ]", "[NaN,1]"), (' "a b" ', '"a b"')]
)
def test_whitespace_between_tokens_is_removed(text: str, short: str) -> None:
    assert compact(text) == short


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"\xef\xbb\xbf1", None, "1"),
        ("ü".encode("latin-1"), "latin-1", "ü"),
        ("ü".encode(), "no-such-charset", "ü"),
    ],
)
def test_a_body_is_decoded_by_its_charset_or_as_utf_8(body: bytes, charset: str | None, text: str) -> None:
    assert decoded(body, charset) == text


def test_a_body_that_is_not_text_is_invalid() -> None:
    with pytest.raises(InvalidJson):
        decoded(b"\xff")
