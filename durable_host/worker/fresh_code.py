"""What in a piece of orchestrator code shows that it relies on being run from its beginning in each episode."""

from __future__ import annotations

import dis
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

_AGENT_ORCHESTRATOR = "durable_openai_agent_orchestrator_generator"


def reason_in(code: CodeType, variables: Mapping[str, Any]) -> str | None:
    """Why the code must not be kept alive between episodes, None when nothing shows. `variables` are its globals.

    In Azure nobody else runs between the beginning of the code and the point that it has reached, so it finds there
    what it has put into its thread or its module. And it gets a GeneratorExit at the end of each episode.
    """
    for part in _parts(code):
        for name in part.co_names:
            if isinstance(variables.get(name), threading.local):
                return f"{code.co_name} uses the thread-local '{name}'"
    return _static_reason(code)


@lru_cache(maxsize=1024)
def _static_reason(code: CodeType) -> str | None:
    for part in _parts(code):
        if _AGENT_ORCHESTRATOR in part.co_names + part.co_freevars:
            return "durable_openai_agent_orchestrator walks the whole history in each episode"
        if "GeneratorExit" in part.co_names:
            return f"{code.co_name} handles GeneratorExit, so it notices the end of each episode"
        for instruction in dis.get_instructions(part):
            if instruction.opname == "STORE_GLOBAL":
                return f"{code.co_name} sets the global variable '{instruction.argval}'"
    return None


@lru_cache(maxsize=1024)
def _parts(code: CodeType) -> tuple[CodeType, ...]:
    """The code and the functions that are defined in it."""
    return tuple(_walk(code))


def _walk(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _walk(constant)
