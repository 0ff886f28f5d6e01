"""The route table: finds the function for a request. The first match in alphabetical order of function names wins.

Source: docs/protocol/functions-host-http.md#order-of-routes, docs/protocol/functions-host-http.md#route-conflicts
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from durable_host.triggers.http.paths import decoded_path
from durable_host.triggers.http.template import InvalidTemplate, RouteTemplate, parse_template

T = TypeVar("T")

HOST_DOES_NOT_START = "In Azure the host does not start with such a route, and every request is answered with 503."
LEADING_SLASH = "DH5042"

MOST_KEPT = 500
LONGEST_KEPT = 200
"""How many matches are kept for the next request, and the longest method and path of one."""


@dataclass(frozen=True, slots=True)
class HttpRoute(Generic[T]):
    """A function's route. Empty `methods` means all. A match returns `target`."""

    function_name: str
    template: RouteTemplate
    methods: frozenset[str]
    target: T

    def allows(self, method: str) -> bool:
        return not self.methods or method in self.methods


@dataclass(frozen=True, slots=True)
class RouteMatch(Generic[T]):
    """`values` are those of the parameters. Requests with the same path share a match: do not change it."""

    route: HttpRoute[T]
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RouteDeclaration(Generic[T]):
    """The declaration in a function's httpTrigger. `route` None or empty means the function's name."""

    function_name: str
    route: str | None
    methods: Iterable[str]
    target: T


class RouteTable(Generic[T]):
    """The compiled routes.

    `errors` maps functions without a valid route to the reason. `hidden` maps functions that no request can reach to
    the function that hides them. `doubled` are functions whose route begins with a slash although there is a prefix.
    """

    def __init__(self, declarations: Iterable[RouteDeclaration[T]], prefix: str) -> None:
        self.routes: list[HttpRoute[T]] = []
        self.errors: dict[str, str] = {}
        self.hidden: dict[str, str] = {}
        self.doubled: list[str] = []
        self._found: dict[tuple[str, str], RouteMatch[T]] = {}
        for declaration in sorted(declarations, key=lambda one: one.function_name.lower()):
            self._add(declaration, prefix)

    def match(self, method: str, raw_path: str) -> RouteMatch[T] | None:
        """Find the function. `method` is in upper case, `raw_path` still percent-encoded and without the query."""
        known = self._found.get((method, raw_path))
        if known is not None:
            return known
        match = self._search(method, raw_path)
        if match is not None and len(method) + len(raw_path) <= LONGEST_KEPT:
            if len(self._found) >= MOST_KEPT:
                self._found.clear()
            self._found[method, raw_path] = match
        return match

    def _search(self, method: str, raw_path: str) -> RouteMatch[T] | None:
        path = decoded_path(raw_path)[1:]
        for route in self.routes:
            if not route.methods or method in route.methods:
                values = route.template.match(path)
                if values is not None:
                    return RouteMatch(route, values)
        return None

    def warnings(self) -> list[str]:
        """Warnings about functions that no request can reach, and about routes that Azure refuses."""
        found = [
            f"No request can reach the function '{hidden}': '{other}' comes first in the alphabet and takes all of its "
            f"requests. Rename one of them, or narrow the route of '{other}'."
            for hidden, other in self.hidden.items()
        ]
        if self.doubled:
            names = ", ".join(f"'{name}'" for name in self.doubled)
            found.append(
                f"{LEADING_SLASH}: The route of {names} begins with a slash, after the prefix of all routes. It works "
                f'here. {HOST_DOES_NOT_START} Set "routePrefix": "" in extensions.http of host.json, or remove it.'
            )
        return found

    def _add(self, declaration: RouteDeclaration[T], prefix: str) -> None:
        own = declaration.route or declaration.function_name
        if own.strip("/").lower().startswith(("admin", "runtime")):
            self.errors[declaration.function_name] = "The specified route conflicts with one or more built in routes."
            return
        try:
            template = parse_template(f"{prefix.strip('/')}/{own}")
        except InvalidTemplate as error:
            self.errors[declaration.function_name] = f"{str(error).rstrip('.')}. {HOST_DOES_NOT_START}"
            return
        methods = frozenset(method.upper() for method in declaration.methods)
        route = HttpRoute(declaration.function_name, template, methods, declaration.target)
        for other in self.routes:
            if other.template.text.lower() == template.text.lower() and _share_a_method(route, other):
                self.errors[declaration.function_name] = (
                    f"The route specified conflicts with the route defined by function '{other.function_name}'."
                )
                return
        if own.startswith("/") and prefix.strip("/"):
            self.doubled.append(declaration.function_name)
        for other in self.routes:
            if (not other.methods or (methods and methods <= other.methods)) and other.template.covers(template):
                self.hidden[declaration.function_name] = other.function_name
                break
        self.routes.append(route)


def _share_a_method(one: HttpRoute[T], other: HttpRoute[T]) -> bool:
    return not one.methods or not other.methods or bool(one.methods & other.methods)
