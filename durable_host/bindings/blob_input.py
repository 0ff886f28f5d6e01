"""The blob input binding.

Source: docs/protocol/functions-host-blobs.md#blob-input, docs/protocol/functions-host-values.md#text-of-blob-inputs
"""

import codecs
import json
import logging
from collections.abc import Mapping
from typing import Any

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_path import container_and_blob
from durable_host.bindings.properties import BindingFailed, required, template
from durable_host.config.connection import Connection
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import NONE, Datum, binary, json_text, string
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.storage.errors import StorageError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class BlobInput:
    """Reads the whole blob. The value is None if the blob or the container does not exist."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        """Raises BindingFailed."""
        account = self._accounts.account(binding.text("connection"))
        path = required(binding, "path", binding_data, context.function.name)
        if binding.is_deferred:
            return deferred_blob(account.connection, *_place(path, account.connection))
        container, name = container_and_blob(path, account.connection)
        try:
            blob = await account.blobs.get(container, name)
        except StorageError as error:
            raise BindingFailed(f"The blob '{container}/{name}' could not be read: {error}") from error
        if blob is None:
            _log_missing(binding, binding_data, context, f"{container}/{name}")
            return NONE
        return binary(blob.data) if binding.data_type == "binary" else text_or_bytes(blob.data)


def _log_missing(binding: Binding, data: Mapping[str, Any], context: BindingContext, path: str) -> None:
    """Log the path of the missing blob, with a hint if the path looks wrong. Nothing else shows it."""
    function = context.function
    reason = _quotes(binding, data, function)
    logging.getLogger(f"Function.{function.name}").log(
        logging.WARNING if reason else logging.INFO,
        "The blob input '%s' found no blob at '%s', so it has no value.%s",
        binding.name,
        path,
        f" {reason}" if reason else "",
        extra={"function": function.name, "invocation_id": context.invocation_id},
    )


def _quotes(binding: Binding, data: Mapping[str, Any], function: FunctionMetadata) -> str | None:
    """The hint for an activity whose input is a text, if the path contains the whole input with its quotes."""
    trigger = function.trigger
    if trigger.type.lower() != "activitytrigger":
        return None
    inputs = ("data", trigger.name.lower())
    for parameter in template(binding.text("path") or "").parameters:
        value = data.get(parameter.name)
        if parameter.name.lower() in inputs and isinstance(value, str) and value.startswith('"'):
            name = parameter.name
            return (
                f"{{{name}}} is the JSON text of the activity's input, so a text comes with its quotes, here as in "
                'Azure. Call the activity with an object such as {"name": "plain.txt"}, and write {name} in the path.'
            )
    return None


def deferred_blob(connection: Connection, container: str, name: str) -> Datum:
    """The location of a blob, for a parameter that is a client of the storage SDK, with the setting for its account."""
    place = {"Connection": connection.setting, "ContainerName": container, "BlobName": name}
    return json_text(json.dumps(place, ensure_ascii=False))


def _place(path: str, connection: Connection) -> tuple[str, str]:
    """The container and the blob; the blob may be missing for a container client."""
    container = path.strip("/")
    return (container.lower(), "") if "/" not in container else container_and_blob(path, connection)


def text_or_bytes(content: bytes) -> Datum:
    """The content as text, decoded by its byte order mark or as UTF-8; bytes if the text would lose data."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return string(content[len(mark) :].decode(encoding, "replace"))
    try:
        return string(content.decode())
    except UnicodeDecodeError:
        return binary(content)
