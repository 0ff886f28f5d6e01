"""Headers of responses to call_http. The expected values are those of `HttpResponseMessage.Headers` in .NET 10."""

import pytest

from durable_host.durable.runtime.response_headers import parsed_values

pytestmark = pytest.mark.unit

SEEN: list[tuple[str, list[str], list[str]]] = [
    ("Cache-Control", ["no-cache, no-store"], ["no-store, no-cache"]),
    ("Cache-Control", ["max-age=5, private"], ["max-age=5, private"]),
    ("Cache-Control", ["public", "max-age=60, must-revalidate"], ["public, must-revalidate, max-age=60"]),
    (
        "Cache-Control",
        ['no-cache="Set-Cookie", s-maxage=1, immutable, stale-while-revalidate=5'],
        ['no-cache="Set-Cookie", s-maxage=1, immutable, stale-while-revalidate=5'],
    ),
    (
        "Cache-Control",
        ['private="a, b", proxy-revalidate, no-transform'],
        ['no-transform, proxy-revalidate, private="a, b"'],
    ),
    ("Cache-Control", ["max-age=x"], ["max-age=x"]),
    ("Cache-Control", ["max-age=5, max-age=6"], ["max-age=6"]),
    ("Cache-Control", [""], [""]),
    ("Cache-Control", ["No-Cache"], ["no-cache"]),
    ("Cache-Control", ["no-cache;foo"], ["no-cache;foo"]),
    (
        "Cache-Control",
        ["max-age=0, no-cache, no-store, must-revalidate, post-check=0, pre-check=0"],
        ["no-store, must-revalidate, no-cache, max-age=0, post-check=0, pre-check=0"],
    ),
    ("Vary", ["Accept", "Origin, X"], ["Accept", "Origin", "X"]),
    ("Vary", ["a,,b"], ["a", "b"]),
    ("Vary", ["a b"], ["a b"]),
    ("Vary", [""], [""]),
    ("X-Own", ["a", "b"], ["a", "b"]),
    ("Set-Cookie", ["a=1", "b=2"], ["a=1", "b=2"]),
    ("Server", ["A/1", "B"], ["A/1", "B"]),
    ("Via", ["1.1 varnish (Varnish/6.0), 1.1 google"], ["1.1 varnish (Varnish/6.0)", "1.1 google"]),
    ("Via", ["bad"], ["bad"]),
    ("WWW-Authenticate", ['Basic realm="a, b", Bearer'], ['Basic realm="a, b"', "Bearer"]),
    ("WWW-Authenticate", ['Digest realm="x", qop="auth"'], ['Digest realm="x", qop="auth"']),
    ("WWW-Authenticate", ['Bearer error="invalid_token"', "Basic"], ['Bearer error="invalid_token"', "Basic"]),
    ("WWW-Authenticate", ["Negotiate, NTLM"], ["Negotiate", "NTLM"]),
    ("Warning", ['199 - "x, y", 299 a "z"'], ['199 - "x, y"', '299 a "z"']),
    ("Warning", ["bad"], ["bad"]),
    ("Alt-Svc", ['h3=":443"; ma=86400, h3-29=":443"; ma=86400'], ['h3=":443"', 'h3-29=":443"']),
    ("Alt-Svc", ["clear"], ["clear"]),
    ("Pragma", ["no-cache"], ["no-cache"]),
    ("Pragma", ['a="b, c", d'], ['a="b, c"', "d"]),
    ("Upgrade", ["h2c, websocket"], ["h2c", "websocket"]),
    ("Upgrade", ["a b"], ["a b"]),
    ("Trailer", ["A"], ["A"]),
    ("Accept-Ranges", ["bytes"], ["bytes"]),
    ("Accept-Ranges", ["bytes, x y"], ["bytes, x y"]),
    ("Transfer-Encoding", ["chunked"], ["chunked"]),
    ("Proxy-Authenticate", ["Basic, Bearer"], ["Basic", "Bearer"]),
    ("Connection", ["keep-alive, x"], ["keep-alive", "x"]),
    ("Server", [""], [""]),
    ("X-Own", [""], [""]),
    ("Strict-Transport-Security", ["max-age=5; includeSubDomains"], ["max-age=5; includeSubDomains"]),
    ("Link", ["<a>; rel=x, <b>"], ["<a>; rel=x, <b>"]),
    ("X-Latin", ["é"], ["é"]),
    ("Server", ["cloudflare"], ["cloudflare"]),
    ("Server", ["Microsoft-IIS/10.0"], ["Microsoft-IIS/10.0"]),
    ("Server", ["Apache/2.4.41 (Ubuntu) mod_ssl/2 (x\\)y)"], ["Apache/2.4.41", "(Ubuntu)", "mod_ssl/2", "(x\\)y)"]),
    ("Server", ["A/1(c)B/2"], ["A/1(c)B/2"]),
    ("Server", ["a/b/c"], ["a/b/c"]),
    ("Server", ["a b/"], ["a b/"]),
    ("Server", ["gws, x"], ["gws, x"]),
]


@pytest.mark.parametrize(("name", "lines", "values"), SEEN)
def test_headers_are_parsed_and_printed_as_dotnet_does(name: str, lines: list[str], values: list[str]) -> None:
    assert parsed_values(name, lines) == values


def test_the_case_of_a_name_does_not_count() -> None:
    assert parsed_values("VARY", ["a, b"]) == ["a", "b"]
