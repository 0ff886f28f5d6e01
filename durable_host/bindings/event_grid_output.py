"""The Event Grid output binding: posts events to a topic, or logs them if no topic is configured."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import aiohttp
import msgspec

from durable_host.bindings.properties import BindingFailed
from durable_host.bindings.unserved_output import log_value
from durable_host.config.settings import AppSettings
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import Datum
from durable_host.invocation.metadata import Binding

Event = dict[str, Any]

_TOKEN_SCOPE: Final = "https://eventgrid.azure.net/.default"
_API_VERSION: Final = "2018-01-01"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30.0)
_EVENTS: Final = "application/json; charset=utf-8"
_CLOUD_EVENTS: Final = "application/cloudevents-batch+json; charset=utf-8"


class Topic(msgspec.Struct, frozen=True):
    """A topic: `endpoint` with a `key`, or with the identity of `credential`."""

    endpoint: str
    key: str | None = None
    credential: tuple[tuple[str, str], ...] = ()


class EventGridOutput:
    """Sends the events of a call in one request per schema."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        """Raises BindingFailed."""
        events = events_of(datum, binding.name)
        if not events:
            return
        topic = topic_of(binding, self._settings)
        if topic is None:
            for event in events:
                log_value(binding, context, event)
            return
        for content_type, batch in _by_schema(events):
            await _post(topic, batch, content_type)


def topic_of(binding: Binding, settings: AppSettings) -> Topic | None:
    """The topic in the binding's settings; None if they are not set. Raises BindingFailed if only one is set."""
    connection = binding.text("connection")
    if connection:
        children = settings.section(connection)
        endpoint = children.get("topicendpointuri")
        credential = tuple((name, value) for name, value in children.items() if name != "topicendpointuri")
        return Topic(endpoint, credential=credential) if endpoint else None
    endpoint_setting, key_setting = binding.text("topicEndpointUri") or "", binding.text("topicKeySetting") or ""
    endpoint, key = settings.get(endpoint_setting, "").strip(), settings.get(key_setting, "").strip()
    if not endpoint:
        return None
    if not key:
        raise BindingFailed(
            f"The binding '{binding.name}' has a topic, but no key: the app setting '{key_setting}' is missing.",
            remedy=f"Add '{key_setting}' to Values in local.settings.json, or remove '{endpoint_setting}' to have the "
            "events logged.",
        )
    return Topic(endpoint, key)


def events_of(datum: Datum, name: str) -> list[Event]:
    """The events of an output value: objects, JSON texts, and lists of both. Raises BindingFailed."""
    values: list[Any]
    if datum.kind in ("collection_string", "collection_bytes"):
        values = list(datum.value)
    elif (text := datum.as_text()) is None:
        return []
    else:
        values = [text]
    return [event for value in values for event in _flat(value, name)]


def _flat(value: Any, name: str) -> list[Event]:
    if isinstance(value, str | bytes):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise BindingFailed(f"The binding '{name}' got a text that is not a JSON event: {error}.") from error
        if isinstance(value, str):
            raise BindingFailed(f"The binding '{name}' got a text that is not a JSON event.")
    if isinstance(value, list):
        return [event for item in cast("list[Any]", value) for event in _flat(item, name)]
    if not isinstance(value, dict):
        raise BindingFailed(f"The binding '{name}' got a value that is not an event: an event is a JSON object.")
    return [cast("Event", value)]


def _by_schema(events: Sequence[Event]) -> list[tuple[str, list[Event]]]:
    own = [event for event in events if "specversion" not in event]
    cloud = [event for event in events if "specversion" in event]
    return [(kind, batch) for kind, batch in ((_EVENTS, own), (_CLOUD_EVENTS, cloud)) if batch]


async def _post(topic: Topic, events: Sequence[Event], content_type: str) -> None:
    headers = {"Content-Type": content_type, **await _authorization(topic)}
    body = json.dumps(events, ensure_ascii=False).encode("utf-8", "replace")
    query = {} if "api-version=" in topic.endpoint else {"api-version": _API_VERSION}
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
            session.post(topic.endpoint, params=query, data=body, headers=headers) as response,
        ):
            if response.status < 300:
                return
            problem = f"it answered {response.status}: {(await response.text(errors='replace'))[:300]}".rstrip(": ")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        problem = str(error) or type(error).__name__
    raise BindingFailed(f"The events could not be sent to the topic '{topic.endpoint}': {problem}")


async def _authorization(topic: Topic) -> dict[str, str]:
    if topic.key is not None:
        return {"aeg-sas-key": topic.key}
    from durable_host.storage.auth import create_credential

    async with create_credential(topic.credential) as credential:
        try:
            token = await credential.get_token(_TOKEN_SCOPE)
        except Exception as error:
            raise BindingFailed(f"There is no token for the topic '{topic.endpoint}': {error}") from error
    return {"Authorization": f"Bearer {token.token}"}
