"""The payload and the answer of an entity batch in the 1.x protocol.

Source: docs/protocol/durable-entities.md#trigger-payload, docs/protocol/durable-entities.md#answer-of-a-batch
"""

import json
from typing import Any

import msgspec

from durable_host.durable.user_code import EntityAnswer, EntityBatch, EntityResult

NOT_AN_ANSWER = "Out of proc orchestrators must return a valid JSON schema."


class BadEntityAnswer(Exception):
    """The entity function's answer does not follow the protocol."""


def entity_payload(batch: EntityBatch) -> str:
    """Return the trigger payload. It has exactly the four top-level keys that the SDK accepts."""
    payload: dict[str, Any] = {
        "self": {"name": batch.name, "key": batch.key},
        "exists": batch.exists,
        "state": batch.state,
        "batch": [
            {"name": operation.name, "input": operation.input, "isSignal": operation.is_signal, "id": operation.id}
            for operation in batch.operations
        ],
    }
    try:
        return msgspec.json.encode(payload).decode()
    except UnicodeEncodeError:
        return json.dumps(payload)


def decode_entity_answer(text: str, operation_count: int) -> EntityAnswer:
    """Return the state after the batch and one result per operation. Raises BadEntityAnswer."""
    try:
        answer: Any = json.loads(text)
        exists = bool(answer["entityExists"])
        state: str | None = answer["entityState"]
        results, signals = decode_results(answer)
    except (ValueError, TypeError, LookupError, AttributeError):
        raise BadEntityAnswer(NOT_AN_ANSWER) from None
    if len(results) != operation_count:
        raise BadEntityAnswer(f"The entity function returned {len(results)} results for {operation_count} operations.")
    return EntityAnswer(exists=exists, state=state, results=results, signals=signals)


def decode_results(answer: Any) -> tuple[list[EntityResult], list[tuple[str, str, str | None]]]:
    """Return results and signals of an answer. Raises TypeError, LookupError or AttributeError for what is not one."""
    results = [EntityResult(bool(result["isError"]), result.get("result")) for result in answer["results"]]
    return results, [_signal(signal) for signal in answer.get("signals") or ()]


def timed_out(batch: EntityBatch, text: str) -> EntityAnswer:
    """Return an answer in which every operation fails with the plain text `Timeout value of …`. The state is kept."""
    failed = EntityResult(is_error=True, result=text)
    return EntityAnswer(exists=batch.exists, state=batch.state, results=[failed] * len(batch.operations))


def _signal(signal: Any) -> tuple[str, str, str | None]:
    target = signal["target"]
    return f"@{target['name'].lower()}@{target['key']}", signal["name"], signal.get("input")
