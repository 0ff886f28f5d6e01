"""Answers for batches that an entity function did not answer.

They leave the entity's state unchanged and fail every operation of the batch.

Source: docs/protocol/durable-entities.md#batches-that-fail, docs/protocol/durable-failures.md#unknown-functions
"""

from collections.abc import Sequence

import msgspec

from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.user_code import EntityAnswer, EntityBatch, EntityResult

MAX_BATCH_ATTEMPTS = 3
"""How often a batch runs if its invocation fails as a whole (because state or result cannot be serialized, for example)
before its operations are answered with `invocation_failed`. The reference retries forever."""


def invocation_failed(batch: EntityBatch, error: str) -> EntityAnswer:
    """Return the answer for an invocation that failed outside the operations. `error` is the worker's text, `Type:
    message`.
    """
    return _all_failed(batch, _json(f"Entity function '{batch.name}' failed: {error}"))


def unknown_entity(batch: EntityBatch, known: Sequence[str]) -> EntityAnswer:
    """Return the answer for an entity function that the app does not have."""
    return _all_failed(batch, _json(missing_function_text("entity", batch.name, known)))


def _all_failed(batch: EntityBatch, result: str) -> EntityAnswer:
    failed = [EntityResult(True, result) for _ in batch.operations]
    return EntityAnswer(exists=batch.exists, state=batch.state, results=failed)


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()
