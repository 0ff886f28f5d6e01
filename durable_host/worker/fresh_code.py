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
        if (changed := _changed_global(part)) is not None:
            return f"{code.co_name} changes the global '{changed}'"
    return None


def _changed_global(code: CodeType) -> str | None:
    """A global that the code sets, an attribute of one, or a member with a fixed key: `X`, `X.y` or `X["y"]`."""
    before: list[dis.Instruction] = []
    for instruction in dis.get_instructions(code):
        names = [each.argval if each.opname == "LOAD_GLOBAL" else None for each in before[-2:]]
        operation = instruction.opname
        if operation == "STORE_GLOBAL":
            return str(instruction.argval)
        if operation == "STORE_ATTR" and names and names[-1] is not None:
            return str(names[-1])
        if operation == "STORE_SUBSCR" and len(names) == 2 and names[0] and before[-1].opname == "LOAD_CONST":
            return str(names[0])
        before.append(instruction)
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
