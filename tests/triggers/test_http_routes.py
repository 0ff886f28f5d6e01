"""Routing of HTTP functions.

Source: docs/protocol/functions-host-http.md#route-templates,
    docs/protocol/functions-host-http.md#order-of-routes,
    docs/protocol/functions-host-http.md#examples
"""

import pytest

from durable_host.triggers.http.constraints import make_constraint
from durable_host.triggers.http.routes import LONGEST_KEPT, MOST_KEPT, RouteDeclaration, RouteTable
from durable_host.triggers.http.template import InvalidTemplate, parse_template


def table(*functions: tuple, prefix: str = "api") -> RouteTable[str]:
    declarations = []
    for name, route, *methods in functions:
        declarations.append(RouteDeclaration(name, route, methods[0] if methods else (), name))
    return RouteTable(declarations, prefix)


def winner(routes: RouteTable[str], method: str, path: str) -> tuple[str, dict[str, str]] | None:
    match = routes.match(method, path)
    return (match.route.target, dict(match.values)) if match else None


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/items/5", ("a", {"id": "5"})),
        ("GET", "/api/items/abc", ("z", {"x": "abc"})),
        ("POST", "/api/items/5", ("z", {"x": "5"})),
        ("GET", "/api/ITEMS/5/", ("a", {"id": "5"})),
        ("GET", "/items/5", None),
        ("GET", "/api/none", None),
        ("GET", "/api/items", None),
        ("GET", "/api//items/5", None),
        ("GET", "/", None),
    ],
)
def test_conformance_vectors_of_the_specification(method: str, path: str, expected: object) -> None:
    routes = table(("z", "items/{x}"), ("a", "items/{id:int}", ["GET"]))
    assert winner(routes, method, path) == expected


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("hello", "HELLO", {}),
        ("a/{b?}", "a", {}),
        ("a/{b?}", "a/x", {"b": "x"}),
        ("a/{b=7}", "a", {"b": "7"}),
        ("a/{b=7}/{c?}", "a/1", {"b": "1"}),
        ("a/{b:int?}", "a/x", None),
        ("{*rest}", "", {}),
        ("{*rest}", "x/y//z", {"rest": "x/y//z"}),
        ("f/{*rest}", "f", {}),
        ("f/{*rest}", "fx", None),
        ("{a}-{b}.{ext}", "x-y-z.tar.gz", {"a": "x-y", "b": "z.tar", "ext": "gz"}),
        ("{file}.{ext?}", "a.b.txt", {"file": "a.b", "ext": "txt"}),
        ("{file}.{ext?}", "plain", {"file": "plain"}),
        ("v{{1}}/{x}", "v{1}/k", {"x": "k"}),
        (r"d/{x:regex(^\d{{2}}/?$)}", "d/12", {"x": "12"}),
        ("d/{x:length(2,3):alpha}", "d/abcd", None),
        ("d/{x:length(2,3):alpha}", "d/abc", {"x": "abc"}),
        ("a.b/{x}", "aXb/1", None),
    ],
)
def test_templates_match_as_in_aspnet_core(template: str, path: str, values: dict[str, str] | None) -> None:
    assert parse_template(template).match(path) == values


@pytest.mark.parametrize(
    "template", ["{", "a/{}", "{a}{b}", "{*x}/y", "{a}/{A}", "{a:nonsense}", "x}", "{a:range(1)}", "{a:regex([)}"]
)
def test_a_malformed_template_is_refused_with_its_text(template: str) -> None:
    with pytest.raises(InvalidTemplate):
        parse_template(template)


@pytest.mark.parametrize(
    ("constraint", "accepted", "refused"),
    [
        ("int", ["5", "-5", "+2147483647"], ["2147483648", "x", "", "5.0", "9" * 5000]),
        ("long", ["2147483648"], ["9223372036854775808"]),
        ("bool", ["true", "False"], ["1", "yes"]),
        ("alpha", ["abcZ"], ["a1", "ä"]),
        ("guid", ["0f8fad5b-d9cb-469f-a165-70867728950e", "{0f8fad5b-d9cb-469f-a165-70867728950e}"], ["0f8f"]),
        ("decimal", ["1.5", "-7", "1,000.5"], ["1e5", "."]),
        ("double", ["1e5", "NaN"], ["x"]),
        ("datetime", ["2024-05-01", "05/01/2024 10:20:30", "2024-05-01T10:20:30Z"], ["yesterday"]),
        ("min(3)", ["3"], ["2", "x"]),
        ("max(3)", ["3"], ["4"]),
        ("range(1,5)", ["1", "5"], ["0", "6"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("length(2)", ["ab"], ["abc"]),
        ("regex(^a:b=c$)", ["A:B=C"], ["ab"]),
        ("required", ["x"], [""]),
    ],
)
def test_constraints_accept_what_dotnet_parses(constraint: str, accepted: list[str], refused: list[str]) -> None:
    accepts = make_constraint(constraint)
    assert all(accepts(value) for value in accepted)
    assert not any(accepts(value) for value in refused)


def test_segments_are_decoded_but_an_encoded_slash_stays() -> None:
    assert winner(table(("f", "x/{v}")), "GET", "/api/x/A%20%C3%A4%2Fb") == ("f", {"v": "A ä%2Fb"})


def test_without_a_route_the_function_name_is_the_route() -> None:
    assert winner(table(("Hello", None), ("other", "")), "GET", "/api/hello") == ("Hello", {})


def test_the_prefix_can_be_empty_and_the_slash_of_asgi_apps_collapses() -> None:
    assert winner(table(("app", "/{*route}"), prefix=""), "GET", "/a/b") == ("app", {"route": "a/b"})
    assert winner(table(("app", "/{*route}")), "GET", "/api/a/b") == ("app", {"route": "a/b"})


def test_a_head_request_needs_a_function_that_names_head() -> None:
    assert winner(table(("f", "x", ["GET"])), "HEAD", "/api/x") is None
    assert winner(table(("f", "x")), "HEAD", "/api/x") == ("f", {})


def test_a_path_that_is_known_is_still_matched_by_method() -> None:
    routes = table(("a", "items/{id}", ["GET"]), ("b", "items/{x}", ["POST"]))
    for _ in range(2):
        assert winner(routes, "GET", "/api/items/5") == ("a", {"id": "5"})
        assert winner(routes, "POST", "/api/items/5") == ("b", {"x": "5"})
        assert winner(routes, "PUT", "/api/items/5") is None


def test_any_number_of_paths_is_matched() -> None:
    routes = table(("a", "items/{id}"))
    for number in (*range(MOST_KEPT + 2), 0):
        assert winner(routes, "GET", f"/api/items/{number}") == ("a", {"id": str(number)})


@pytest.mark.parametrize(
    ("method", "path", "is_kept"),
    [
        ("GET", "/api/items/5", True),
        ("GET", "/api/items/" + "5" * LONGEST_KEPT, False),
        ("M" * LONGEST_KEPT, "/api/x", False),
    ],
)
def test_matches_of_long_requests_are_not_kept(method: str, path: str, is_kept: bool) -> None:
    routes = table(("a", "{*rest}"))
    match = routes.match(method, path)
    assert match is not None
    assert (routes.match(method, path) is match) == is_kept


def test_equal_routes_with_a_common_method_are_a_conflict() -> None:
    routes = table(("a", "x", ["GET", "POST"]), ("b", "/X/", ["POST"]), ("c", "x", ["PUT"]))
    assert routes.errors == {"b": "The route specified conflicts with the route defined by function 'a'."}
    assert winner(routes, "PUT", "/api/x") == ("c", {})


@pytest.mark.parametrize("route", ["admin/x", "runtime/webhooks", "/Admin"])
def test_routes_of_the_host_itself_are_refused(route: str) -> None:
    assert "built in routes" in table(("f", route)).errors["f"]


def test_a_function_that_no_request_can_reach_is_named() -> None:
    routes = table(("a_all", "{*rest}"), ("b_hello", "hello"), ("c", "items/{id}"), prefix="")
    assert routes.hidden == {"b_hello": "a_all", "c": "a_all"}
    assert table(("a", "items/{id:int}"), ("b", "items/{x}")).hidden == {}
    assert table(("a", "items/{id}", ["GET"]), ("b", "items/5")).hidden == {}


def test_a_broken_route_is_reported_with_what_azure_would_do() -> None:
    error = table(("f", "{x"), ("g", "x")).errors["f"]
    assert error.endswith("In Azure the host does not start with such a route, and every request is answered with 503.")
