"""The answer of an entity batch of `durable-functions` for Node.js.

Source: docs/protocol/durable-entities.md#answer-of-a-batch
"""

import json
from typing import Any

from durable_host.durable.sdk.v1_entities import NOT_AN_ANSWER, BadEntityAnswer, decode_results
from durable_host.durable.user_code import EntityAnswer, EntityResult


def decode_node_entity_answer(text: str, operation_count: int) -> EntityAnswer:
    """Return the state after the batch and one result per operation. Raises BadEntityAnswer.

    The SDK leaves out the state of an entity that has none. An operation that calls `return` twice has two results:
    the first ones count. A signal without input has an empty text, and so has the result of an operation that returned
    nothing: the caller gets the value undefined.
    """
    try:
        answer: Any = json.loads(text)
        results, signals = decode_results(answer)
        state: str | None = answer.get("entityState")
        exists = bool(answer["entityExists"])
    except (ValueError, TypeError, LookupError, AttributeError):
        raise BadEntityAnswer(NOT_AN_ANSWER) from None
    if len(results) < operation_count:
        raise BadEntityAnswer(f"The entity function returned {len(results)} results for {operation_count} operations.")
    return EntityAnswer(
        exists=exists,
        state=state,
        results=[_with_text(result) for result in results[:operation_count]],
        signals=[(target, name, input or None) for target, name, input in signals],
    )


def _with_text(result: EntityResult) -> EntityResult:
    return EntityResult(result.is_error, result.result or "")
