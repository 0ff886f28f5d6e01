"""Warnings about requests that Azure would answer differently, or that may not mean what the caller intends."""

import logging
from collections import deque

_log = logging.getLogger("Host.Triggers.DurableTask")

PARAMETER_IGNORED = "DH6401"
FAILS_IN_AZURE = "DH6402"
DECODED_TWICE = "DH6403"
NO_ROUTE = "DH6404"

_PROBES = ("HEAD", "OPTIONS")
"""Methods that ask what exists: a 404 is an ordinary answer to them."""

_MAX_REMEMBERED = 1000
_LONGEST_VALUE = 100
_MAX_PATHS = 100
"""At most this many paths are reported: a client may invent any number of them."""


class Cautions:
    """Logs each warning once per parameter and value, or per kind of request and function."""

    def __init__(self) -> None:
        self._reported: deque[tuple[str, ...]] = deque(maxlen=_MAX_REMEMBERED)
        self._paths: set[tuple[str, str]] = set()

    def parameter_ignored(self, name: str, value: str) -> None:
        """Warn that the query parameter `name` cannot be parsed and is ignored."""
        value = value[:_LONGEST_VALUE]
        self._once(
            (PARAMETER_IGNORED, name.lower(), value),
            f"The query parameter {name} cannot be parsed and is ignored, as in Azure: {value!r}",
        )

    def blank_start(self, function: str) -> None:
        """Warn about a start with a blank body and without the header `Content-Length: 0`."""
        self._once(
            (FAILS_IN_AZURE, "blank", function),
            f"A start of '{function}' came with a blank body. It runs here, without input; in Azure it fails. "
            "Send the header 'Content-Length: 0' (curl: -d ''), or the input as JSON (curl: -d null with "
            "-H 'Content-Type: application/json').",
        )

    def form_start(self, function: str, content_type: str) -> None:
        """Warn about a start whose input is sent as a form, as curl does for `-d` without a header."""
        self._once(
            (FAILS_IN_AZURE, "form", function),
            f"A start of '{function}' came with the content type {content_type[:_LONGEST_VALUE]}. Its body is taken as "
            "JSON here; in Azure the instance fails. Send the header 'Content-Type: application/json' "
            "(curl: -H 'Content-Type: application/json').",
        )

    def no_route(self, method: str, path: str, *, has_slash: bool) -> None:
        """Warn about a path that the API does not have, because the SDK shows only that the request failed.

        `has_slash`: without its additional segments, the API has the path, so a slash may be part of an ID.
        """
        cause = (method, path[:_LONGEST_VALUE])
        if method in _PROBES or cause in self._paths or len(self._paths) >= _MAX_PATHS:
            return
        self._paths.add(cause)
        text = f"The management API has no {method} {cause[1]!r}, so the answer is 404, as in Azure"
        if has_slash:
            text += (
                " (the SDK raises 'Exception: None'). Instance IDs, names of events and keys of entities must not "
                "contain a slash"
            )
        if len(self._paths) == _MAX_PATHS:
            text += ". Further paths are not reported"
        _log.warning("%s: %s.", NO_ROUTE, text)

    def decoded_again(self, once: str, twice: str) -> None:
        """Warn that the name of an event or the key of an entity may not be what the caller meant by the URL."""
        self._once(
            (DECODED_TWICE, "again", once),
            f"'{once}' in a URL is read as '{twice}', as in Azure, which decodes paths twice. An orchestrator that "
            f"waits for an event '{once}' waits forever. Avoid + and % in names of events and keys of entities.",
        )

    def unreachable(self, instance_id: str, twice: str) -> None:
        """Warn that Azure would look for a different instance from the one that was found."""
        self._once(
            (DECODED_TWICE, "unreachable", instance_id),
            f"A request for the instance '{instance_id}' finds it here; Azure, which decodes paths twice, looks for "
            f"'{twice}'. Avoid + and % in instance IDs.",
        )

    def _once(self, cause: tuple[str, ...], text: str) -> None:
        if cause in self._reported:
            return
        self._reported.append(cause)
        _log.warning("%s: %s", cause[0], text)
