"""Binding expressions.

Source: docs/protocol/functions-host-expressions.md#templates, docs/protocol/functions-host-expressions.md#examples
"""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_host.config import binding_data
from durable_host.config.dotnet_format import format_datetime, format_guid
from durable_host.config.expressions import ExpressionFailed, SystemValues, TemplateInvalid, parse
from durable_host.config.path_pattern import parse_path

NOW = datetime(2024, 5, 1, 10, 20, 30, 123456, tzinfo=UTC)
GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")
SYSTEM = SystemValues("hello", lambda: NOW, lambda: GUID)


class Properties(msgspec.Struct, frozen=True):
    content_length: int = 5
    content_type: str = "text/plain"


QUEUE = {
    "QueueTrigger": "…",
    "Id": "queue-id",
    "DequeueCount": 1,
    "InsertionTime": datetime(2024, 5, 1, tzinfo=UTC),
    **binding_data.from_json_text('{"a":{"b":5,"f":true,"n":1.5,"o":{}},"l":[1],"t":true,"s":"x","z":null,"e":1e30}'),
}
HTTP = {
    "when": datetime(2024, 5, 1),
    "Headers": {"User-Agent": "curl"},
    "Query": {"code2": "7"},
    "Properties": Properties(),
    "f": 1.5,
    "b": True,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a.b}", "5"),
        ("{s}", "x"),
        ("{S}", "x"),
        ("{t}", "True"),
        ("{a}", ""),
        ("{a.o}", ""),
        ("{a.f}", "True"),
        ("{A.N}", "1.5"),
        ("{DequeueCount}", "1"),
        ("{InsertionTime}", ""),
        ("{datetime:yyyyMMdd}", "20240501"),
        ("{datetime}", "2024-05-01T10-20-30Z"),
        ("{datetime:yyyy.MM}", "2024"),
        ("{sys.utcnow}", "2024-05-01T10-20-30Z"),
        ("{DateTime:HH:mm}", "10:20"),
        ("{rand-guid}", str(GUID)),
        ("{rand-guid:N}", GUID.hex),
        ("{sys.randguid}", str(GUID)),
        ("{sys.methodname}", "hello"),
        ("out/{s}-{a.b}.txt", "out/x-5.txt"),
        ("{{literal}} {s}", "{literal} x"),
        ("{{{s}}}", "{x}"),
        ("", ""),
    ],
)
def test_queue_message_and_system_values(template: str, text: str):
    assert parse(template).render(QUEUE, SYSTEM) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{headers.user-agent}", "curl"),
        ("{query.code2}", "7"),
        ("{Properties.ContentType}", "text/plain"),
        ("{properties.contentlength}", "5"),
        ("{when}", "2024-05-01T00-00-00Z"),
        ("{when:yyyy}", "2024"),
        ("{f}", ""),
        ("{b}", ""),
    ],
)
def test_dictionaries_objects_and_what_renders_empty(template: str, text: str):
    assert parse(template).render(HTTP, SYSTEM) == text


def test_trigger_data_wins_over_a_builtin():
    assert parse("{datetime}").render({"datetime": "mine"}, SYSTEM) == "mine"


def test_two_expressions_give_two_guids():
    first, second = parse("{rand-guid} {rand-guid}").render({}).split()
    assert first != second


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{l}", "No value for named parameter 'l'."),
        ("{z}", "No value for named parameter 'z'."),
        ("{nobody}", "No value for named parameter 'nobody'."),
        ("{a.c}", "Error while accessing 'c': property doesn't exist."),
        ("{s.length}", "Error while accessing 'length': property doesn't exist."),
        ("{sys.nothing}", "Error while accessing 'nothing': property doesn't exist."),
    ],
)
def test_what_the_invocation_lacks_is_an_error(template: str, message: str):
    with pytest.raises(ExpressionFailed) as caught:
        parse(template).render(QUEUE, SYSTEM)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{", "Invalid template '{'. Missing closing bracket at position 1."),
        ("a}", "Invalid template 'a}'. Missing opening bracket at position 1."),
        ("a{}", "Invalid template 'a{}'. The parameter name at position 2 is empty."),
        ("{a{b}}", "Invalid template '{a{b}}'. Missing closing bracket at position 2."),
        ("{a-b}", "Invalid template '{a-b}'. The parameter name 'a-b' is invalid."),
        ("{a b}", "Invalid template '{a b}'. The parameter name 'a b' is invalid."),
        ("{a..b}", "Invalid template '{a..b}'. The parameter name 'a..b' is invalid."),
    ],
)
def test_badly_written_template_is_refused(template: str, message: str):
    with pytest.raises(TemplateInvalid) as caught:
        parse(template)
    assert caught.value.message == message


@given(st.text())
def test_text_without_braces_stands_for_itself(text: str):
    plain = text.replace("{", "").replace("}", "")
    assert parse(plain).render({}) == plain


@given(st.text())
def test_any_text_survives_when_its_braces_are_doubled(text: str):
    assert parse(text.replace("{", "{{").replace("}", "}}")).render({}) == text


def test_substituted_values_can_be_quoted():
    template = parse("PartitionKey eq '{s}'")
    assert template.render({"s": "O'Hara"}, quote=lambda v: v.replace("'", "''")) == "PartitionKey eq 'O''Hara'"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-ddTHH-mm-ssK", "2024-05-01T10-20-30Z"),
        ("dddd d ddd MMMM MMM M yy y", "Wednesday 1 Wed May May 5 24 24"),
        ("h:m:s tt t", "10:20:30 AM A"),
        ("fff FFFFFFF", "123 123456"),
        ("fffffff", "1234560"),
        ("zzz z zz", "+00:00 +0 +00"),
        ("'o''clock' \"x\" \\d %d", "oclock x d 1"),
        ("d", "05/01/2024"),
        ("o", "2024-05-01T10:20:30.1234560Z"),
        ("R", "Wed, 01 May 2024 10:20:30 GMT"),
        ("s", "2024-05-01T10:20:30"),
        ("u", "2024-05-01 10:20:30Z"),
        ("yyyyy", "02024"),
    ],
)
def test_dates_as_dotnet_writes_them(pattern: str, text: str):
    assert format_datetime(NOW, pattern) == text


@pytest.mark.parametrize("pattern", ["q", "ffffffff", "'open"])
def test_format_that_dotnet_refuses_is_refused(pattern: str):
    with pytest.raises(ValueError, match="date format"):
        format_datetime(NOW, pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("N", "0123456789abcdef0123456789abcdef"),
        ("d", "01234567-89ab-cdef-0123-456789abcdef"),
        ("B", "{01234567-89ab-cdef-0123-456789abcdef}"),
        ("P", "(01234567-89ab-cdef-0123-456789abcdef)"),
        ("X", "{0x01234567,0x89ab,0xcdef,{0x01,0x23,0x45,0x67,0x89,0xab,0xcd,0xef}}"),
    ],
)
def test_guids_as_dotnet_writes_them(pattern: str, text: str):
    assert format_guid(GUID, pattern) == text


def test_wrong_guid_format_is_an_error():
    with pytest.raises(ExpressionFailed, match="rand-guid:Q"):
        parse("{rand-guid:Q}").render({}, SYSTEM)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"n": 5, "f": 1.5, "b": false, "x": null, "l": []}', {"n": "5", "f": "1.5", "b": "False"}),
        ('{"d": "2024-05-01T10:20:30.5Z"}', {"d": "05/01/2024 10:20:30"}),
        ('{"d": "2024-05-01T10:20:30+02:00"}', {"d": "05/01/2024 08:20:30"}),
        ('{"d": "2024-13-01T10:20:30"}', {"d": "2024-13-01T10:20:30"}),
        (' {"o": {"p": 1}}', {"o": {"p": 1}}),
        ("[1]", {}),
        ("plain", {}),
        ("{broken", {}),
    ],
)
def test_properties_of_a_json_body_become_binding_data(text: str, data: dict):
    assert binding_data.from_json_text(text) == data


@pytest.mark.parametrize(
    ("pattern", "path", "captures"),
    [
        ("c/{name}.{ext}", "c/a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("c/{name}", "c/x/y/z.bin", {"name": "x/y/z.bin"}),
        ("c/in-{date}/{f}", "c/in-2024/05/a", {"date": "2024/05", "f": "a"}),
        ("c/{name}.csv", "c/A.CSV", None),
        ("c/{{{n}}}", "c/{q}", {"n": "q"}),
        ("C/{name}", "c/A", {"name": "A"}),
        ("c", "c/any/thing", {}),
        ("c/fixed.txt", "c/fixed.txt", {}),
        ("c/fixed.txt", "c/fixed_txt", None),
    ],
)
def test_blob_paths(pattern: str, path: str, captures: dict | None):
    container, _, blob = path.partition("/")
    assert parse_path(pattern).match(container, blob) == captures


@pytest.mark.parametrize("path", ["", "c/", "/"])
def test_malformed_blob_path_is_refused(path: str):
    with pytest.raises(TemplateInvalid, match="Paths must be in the format 'container/blob'"):
        parse_path(path)


def test_container_of_a_blob_path_is_literal():
    with pytest.raises(TemplateInvalid, match="Container paths cannot contain"):
        parse_path("{c}/x")
