"""Names requests to storage in words that are the same in each run with the same input, as far as that is possible."""

import html
import json
import re
from collections import OrderedDict
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from yarl import URL

from durable_host.chaos.message_words import InstanceNames
from durable_host.durable.taskhub.azure.names import unescape_key

_ROW_URL = re.compile(r"(?:Instances|History)\(PartitionKey='((?:[^'\s]|'')+)'")
_ROW_FILTER = re.compile(r"PartitionKey eq '((?:[^']|'')+)'")
_TRACKING_TABLE = re.compile("Instances|History")
_JSON_KEY = re.compile(r'"PartitionKey":"((?:[^"\\]|\\.)+)"')
_JSON_ID = re.compile(r'"InstanceId":"((?:[^"\\]|\\.)+)"')
_MESSAGE = re.compile(rb"<MessageId>([^<]+)</MessageId>(.*?)</QueueMessage>", re.DOTALL)
_SEARCHED = 64 * 1024
_REMEMBERED = 10_000


class RequestNames:
    """Knows the instances of queue messages that were sent or received: later requests have only their random IDs."""

    def __init__(self, names: InstanceNames) -> None:
        self._names = names
        self._owners: OrderedDict[str, str] = OrderedDict()

    def learn(self, response: bytes, sent_for: str) -> None:
        """Learn the instances of messages from a queue's response. The response to a put does not have the text."""
        for message_id, rest in _MESSAGE.findall(response):
            instance_id = _of_message(_text(rest)) or sent_for
            if instance_id:
                self._owners[message_id.decode()] = instance_id
        while len(self._owners) > _REMEMBERED:
            self._owners.popitem(last=False)

    def words_for(self, method: str, url: URL, data: Any) -> tuple[str, str]:
        """Return a name of the request, and the ID of the first instance that it is about, or an empty text."""
        path = url.path.strip("/").partition("/")[2]  # The first segment is the name of the account.
        queue, _, message_id = path.rpartition("/")
        instance_id = self._owners.get(message_id, "")
        if instance_id:
            path = queue
        else:
            instance_id = _of_request(path, url, data)
        if not instance_id:
            return f"request {method} {path}", ""
        name = self._names.name(instance_id)
        return f"request {method} {path.replace(instance_id, name)} (instance '{name}')", instance_id


def _of_request(path: str, url: URL, data: Any) -> str:
    """The instance whose rows or message a request reads or writes."""
    if path == "$batch":
        return _of_url(_text(data))
    if path.endswith("/messages"):
        return _of_message(_text(data))
    if _TRACKING_TABLE.search(path) is None:
        return ""
    found = _ROW_FILTER.search(url.query.get("$filter", ""))
    if found is not None:
        return _of_literal(found[1])
    return _of_url(url.raw_path) or unescape_key(_member(_JSON_KEY, _text(data)))


def _of_url(text: str) -> str:
    found = _ROW_URL.search(text)
    return "" if found is None else _of_literal(unquote(found[1]))


def _of_literal(text: str) -> str:
    """The instance whose key is in an OData string."""
    return unescape_key(text.replace("''", "'"))


def _of_message(text: str) -> str:
    """The instance of a message of a hub: JSON in XML."""
    return _member(_JSON_ID, html.unescape(text))


def _member(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is not None:
        with suppress(ValueError):
            return str(json.loads(f'"{found[1]}"'))
    return ""


def _text(data: Any) -> str:
    return data[:_SEARCHED].decode("utf-8", "replace") if isinstance(data, bytes) else ""
