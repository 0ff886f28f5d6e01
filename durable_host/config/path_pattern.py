"""Blob path patterns such as `container/in-{date}/{name}.csv`, which match and capture.

Source: docs/protocol/functions-host-blobs.md#path-patterns
"""

import re

import msgspec

from durable_host.config.expressions import ExpressionParameter, Literal, TemplateInvalid, parse


class PathPattern(msgspec.Struct, frozen=True):
    """A blob trigger's path. `blob` is None if every blob in the container matches."""

    container: str
    blob: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the captures."""
        return () if self.blob is None else tuple(parameter.name for parameter in parse(self.blob).parameters)

    def match(self, container: str, blob: str) -> dict[str, str] | None:
        """The captures if the blob matches, otherwise None. Captures are greedy and may contain `/`."""
        if container.casefold() != self.container.casefold():
            return None
        if self.blob is None:
            return {}
        seen: dict[str, str] = {}
        expression = ""
        for token in parse(self.blob).tokens:
            if isinstance(token, Literal):
                expression += re.escape(token.text)
            elif token.name in seen:
                expression += f"(?P={seen[token.name]})"
            else:
                seen[token.name] = f"c{len(seen)}"
                expression += f"(?P<{seen[token.name]}>.*)"
        found = re.fullmatch(expression, blob, re.DOTALL)
        return None if found is None else {name: found[group] for name, group in seen.items()}


def parse_path(path: str) -> PathPattern:
    """Split `container/blob-pattern` or `container`. Raises TemplateInvalid with the texts of the Functions host."""
    container, slash, blob = path.lstrip("/").partition("/")
    if not container or (slash and not blob):
        raise TemplateInvalid(f"Invalid blob trigger path '{path}'. Paths must be in the format 'container/blob'.")
    if any(isinstance(token, ExpressionParameter) for token in parse(container).tokens):
        raise TemplateInvalid(f"Invalid blob trigger path '{path}'. Container paths cannot contain {{resolve}} tokens.")
    parse(blob)
    return PathPattern(container, blob or None)
