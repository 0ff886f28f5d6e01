"""Names requests to storage in words that are the same in each run with the same input, as far as that is possible."""

import re
from collections import OrderedDict
from typing import Any
from urllib.parse import unquote

from yarl import URL

from durable_host.chaos.message_words import InstanceNames

_INSTANCE = re.compile(
    rb"""(?:InstanceId(?:"|&quot;):(?:"|&quot;)|"PartitionKey":")(?P<text>[^"&'\\]+)|PartitionKey='(?P<in_url>[^']+)"""
)
_MESSAGE = re.compile(rb"<MessageId>([^<]+)</MessageId>(.*?)</QueueMessage>", re.DOTALL)
_SEARCHED = 64 * 1024
_REMEMBERED = 10_000


class RequestNames:
    """Knows the instances of queue messages that were sent or received: later requests have only their random IDs."""

    def __init__(self, names: InstanceNames) -> None:
        self._names = names
        self._owners: OrderedDict[str, str] = OrderedDict()

    def learn(self, response: bytes, sent_for: str) -> None:
        """Learn the instances of messages from a response of a queue. One to a new message does not have its text."""
        for message_id, rest in _MESSAGE.findall(response):
            instance_id = _instance_in(rest) or sent_for
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
            instance_id = _instance_in(url.raw_path.encode())
        if not instance_id and isinstance(data, bytes):
            instance_id = _instance_in(data)  # A batch contains URLs.
        if not instance_id:
            return f"request {method} {path}", ""
        name = self._names.name(instance_id)
        return f"request {method} {path.replace(instance_id, name)} (instance '{name}')", instance_id


def _instance_in(text: bytes) -> str:
    found = _INSTANCE.search(text, 0, _SEARCHED)
    if found is None:
        return ""
    return unquote(found["in_url"]) if found["in_url"] else found["text"].decode("utf-8", "replace")
