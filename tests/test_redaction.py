"""What counts as a secret. test_redaction_sinks.py tests that every output uses it."""

import msgspec
import pytest

from durable_host.redaction import (
    HIDDEN,
    looks_like_connection_string,
    redacted,
    redacted_json,
    redacted_struct,
)

KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide", "nothing to hide"),
        ("a = b", "a = b"),
        ("AccountName=a;AccountKey=SECRET;x=1", f"AccountName=a;{HIDDEN}"),
        ("conn 'DefaultEndpointsProtocol=https;AccountKey=SECRET' failed", f"conn '{HIDDEN}' failed"),
        ('{"url": "http://x/?sig=SECRET&a=1"}', f'{{"url": "http://x/{HIDDEN}"}}'),
        ("http://x/api/f?code=SECRET", f"http://x/api/f{HIDDEN}"),
        ("http://x/api/f?a=1&amp;code=SECRET", f"http://x/api/f?a=1{HIDDEN}"),
        ("PASSWORD=SECRET\nnext line", f"{HIDDEN}\nnext line"),
        ("<a>Token=SECRET</a>", f"<a>{HIDDEN}</a>"),
        ("Server=s;pwd=SECRET", HIDDEN),
        (
            "Endpoint=sb://x/;SharedAccessKeyName=root;SharedAccessKey=SECRET",
            f"Endpoint=sb://x/;SharedAccessKeyName=root;{HIDDEN}",
        ),
        ("BlobEndpoint=http://x;SharedAccessSignature=sv=1&sig=SECRET", f"BlobEndpoint=http://x;{HIDDEN}"),
        ("sv=2024-01-01&sp=r&sig=SECRET", f"sv=2024-01-01&sp=r{HIDDEN}"),
        ("sig%3DSECRET", HIDDEN),
        ('{"url":"http://x/?a=1\\u0026sig=SECRET"}', f'{{"url":"http://x/?a=1\\{HIDDEN}"}}'),
        ("callback=http%3A%2F%2Fx%2F%3Fcode%3DSECRET", f"callback=http%3A%2F%2Fx%2F{HIDDEN}"),
        ("amqp://user:SECRET@queue.local/vhost", f"amqp://user:{HIDDEN}@queue.local/vhost"),
        ("postgresql+psycopg://me:SECRET@localhost:5432/db", f"postgresql+psycopg://me:{HIDDEN}@localhost:5432/db"),
        ("{'account_key': 'SECRET', 'x': 1}", f"{{'account_key': '{HIDDEN}', 'x': 1}}"),
        ('{"password": "SEC\\"RET", "x": 1}', f'{{"password": "{HIDDEN}", "x": 1}}'),
        ("x-functions-key: SECRET", f"x-functions-key: {HIDDEN}"),
        ("Authorization: Bearer SECRET", f"Authorization: {HIDDEN}"),
        (f"the key is {KEY}", f"the key is {HIDDEN}"),
        ('client = Client("a", account_key="SECRET")', f'client = Client("a", account_{HIDDEN}")'),
        ("AccountKey='SECRET'", f"{HIDDEN}'"),
        ("account_key = 'SECRET'", f"account_key = '{HIDDEN}'"),
        ("AccountKey = SECRET", HIDDEN),
        ('"{\\"accountKey\\": \\"SECRET\\"}"', f'"{{\\"accountKey\\": \\"{HIDDEN}\\"}}"'),
        ("AccountKey%253DSECRET", HIDDEN),
        ("client_secret=SECRET", f"client_{HIDDEN}"),
        ("redis://:SEC@RET@cache:6379/0", f"redis://:{HIDDEN}@cache:6379/0"),
        ("aeg-sas-key: SECRET", f"aeg-sas-key: {HIDDEN}"),
        ("(b'x-functions-key', b'SECRET')", f"(b'x-functions-key', b'{HIDDEN}')"),
        ("query 'code=SECRET'", f"query '{HIDDEN}'"),
        (f"code={'SECRET' * 4} was sent", HIDDEN),
        (f"got Bearer {'SECRET' * 4}", f"got Bearer {HIDDEN}"),
        (f"SharedKey shop:{'SECRET' * 4}=", f"SharedKey {HIDDEN}"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "PartitionKey=p, RowKey=r",
        "PartitionKey eq 'abc' and RowKey eq '1'",
        "exit code=3",
        "status code: 404",
        "design=good",
        "http://localhost:7071/api/hello?name=Ada",
        "http://127.0.0.1:10000/devstoreaccount1",
        "token budget: 5",
        "'password' is missing",
        '"connection": "AzureWebJobsStorage"',
        "the parts 'AccountName=' and 'AccountKey=', as in the portal",
        "code=404 from 'code=500'",
        "the bearer of good news",
        "sha512-" + KEY,
    ],
)
def test_what_is_not_a_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "a." * 200_000,
        "a://b:" * 50_000,
        "authorization " * 30_000,
        "'pwd" * 80_000,
        "pwd" + " " * 300_000,
        "A" * 300_000,
    ],
)
def test_the_search_takes_time_in_proportion_to_the_text(text: str) -> None:
    assert redacted(f"{text} key") == f"{text} key"


def test_members_named_for_a_secret_are_hidden_whole_and_other_texts_in_part() -> None:
    value = {
        "accountKey": "SECRET",
        "list": ["x?code=SECRET", 1, None, True],
        "keySettingName": "NAME",
        "n": {"pwd": ""},
    }
    shown = {"accountKey": HIDDEN, "list": [f"x{HIDDEN}", 1, None, True], "keySettingName": "NAME", "n": {"pwd": ""}}
    assert redacted_json(value) == shown


class Record(msgspec.Struct, frozen=True):
    text: str
    parts: tuple[str, ...] = ()
    number: int | None = None


def test_records_keep_their_type() -> None:
    record = Record("pwd=SECRET", ("a", "&sig=SECRET"), 3)
    assert redacted_struct(record) == Record(HIDDEN, ("a", HIDDEN), 3)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("AzureWebJobsStorage", False),
        ("MyStorage", False),
        ("Storage:Main", False),
        ("", False),
        ("UseDevelopmentStorage=true", True),
        ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET", True),
        ("BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1", True),
        ("Endpoint=sb://x/;SharedAccessKeyName=root", True),
        (KEY, True),
    ],
)
def test_a_connection_string_in_place_of_the_name_of_a_setting_is_recognised(text: str, is_one: bool) -> None:
    assert looks_like_connection_string(text) is is_one
