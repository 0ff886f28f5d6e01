"""The HTTP management API on both endpoints: the public webhook and the SDK's RPC endpoint.

Source: docs/protocol/durable-http-api.md#routes, docs/protocol/durable-http-api.md#error-bodies
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

import msgspec
from aiohttp import web

from durable_host.config.durable import DurableOptions
from durable_host.durable.api import answers, entity_route, operation_route, start_route, status_route
from durable_host.durable.api.call import ApiCall, Face
from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.client_payload import WEBHOOK_PATH, ManagementUrls
from durable_host.durable.api.content_coding import UnknownCoding
from durable_host.durable.api.decoding import decoded_again, decoded_once, known_id
from durable_host.durable.api.errors import ClientError, InstanceEnded, InstanceNotFound, InvalidArgument, UnknownHub
from durable_host.durable.api.origin import origin_of
from durable_host.durable.api.other_hubs import HubFactory, OtherHubs, connection_key
from durable_host.durable.api.query import QueryParameters
from durable_host.durable.api.request_cautions import Cautions
from durable_host.durable.taskhub.port import InstanceExists, TaskHubRefused, TaskHubUnavailable, UnreadableHistory
from durable_host.http_port.body_limit import DEFAULT_BODY_LIMIT, too_large

_log = logging.getLogger("Host.Triggers.DurableTask")


def raw_tail(request: web.Request, base: str) -> str:
    """Return the path of `request` after `base`, still percent-encoded, for `DurableHttpApi.handle`."""
    return request.rel_url.raw_path[len(base) :]


class DurableHttpApi:
    """Answers management requests. Never raises, except on cancellation.

    `admit` decides whether a caller may use the API at all (see `web.local_only`), on both endpoints. `hub_for` creates
    clients when the parameters `taskHub` and `connection` name another hub. `max_body` limits bodies in bytes: all on
    the webhook, and compressed ones on both endpoints. `key` is the system key in generated webhook URLs.
    """

    def __init__(
        self,
        client: DurableClient,
        options: DurableOptions,
        *,
        admit: Callable[[web.Request], bool],
        hub_for: HubFactory | None = None,
        max_body: int = DEFAULT_BODY_LIMIT,
        key: str | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._admit = admit
        self._others = OtherHubs(hub_for) if hub_for is not None else None
        self.max_body = max_body
        self._key = key
        self._cautions = Cautions()

    async def handle(self, request: web.Request, tail: str, face: Face) -> web.Response:
        """Answer one request. `tail` is the percent-encoded path after the base of the endpoint."""
        if not self._admit(request):
            return answers.error(403, "Only local callers may use the management API.")
        try:
            query = QueryParameters(request.query.items(), self._cautions)
            hub = query.words("taskHub") or self._options.hub_name
            connection = query.words("connection") or self._options.storage.connection_name
            parts = tail.strip("/").split("/")
            async with self._client_of(hub, connection) as client:
                call = self._call(request, face, query, client, self._urls(request, hub, connection))
                return await _route(call, request.method, await _segments(client, parts, self._cautions))
        except web.HTTPRequestEntityTooLarge:
            return too_large(request, self.max_body)
        except UnknownCoding:
            return answers.error(415, "Content-Encoding may be gzip or deflate.")
        except InstanceNotFound:
            return answers.empty(404)
        except InstanceEnded:
            return answers.empty(410)
        except InstanceExists as exists:
            return answers.error(409, str(exists))
        except InvalidArgument as error:
            return answers.error(400, answers.ARGUMENT_ERROR, str(error), error.name)
        except ClientError as error:
            return answers.error(500, answers.INTERNAL_ERROR, str(error), error.name)
        except TaskHubUnavailable as error:
            is_refused = isinstance(error, TaskHubRefused)
            if error.public_text is not None or is_refused:
                _log.warning("%s", error)
            status, name = (500, "TaskHubRefused") if is_refused else (503, "TaskHubUnavailable")
            return answers.error(status, answers.INTERNAL_ERROR, error.public_text or str(error), name)
        except UnreadableHistory as error:
            return answers.error(500, answers.INTERNAL_ERROR, str(error), "UnreadableHistory")
        except (ConnectionError, web.RequestPayloadError, web.HTTPException):
            raise
        except Exception as error:
            _log.exception("The management request %s %s failed: %s", request.method, request.rel_url.raw_path, error)
            return answers.error(500, answers.INTERNAL_ERROR, str(error), type(error).__name__)

    async def close(self) -> None:
        """Close the hubs that requests have opened."""
        if self._others is not None:
            await self._others.close()

    def _urls(self, request: web.Request, hub: str, connection: str) -> ManagementUrls:
        """Return the management URLs of the webhook, at the origin of the request."""
        origin = origin_of(request, use_forwarded=self._options.use_forwarded_host)
        return ManagementUrls(base_url=origin + WEBHOOK_PATH, task_hub=hub, connection=connection, key=self._key)

    def _call(
        self, request: web.Request, face: Face, query: QueryParameters, client: DurableClient, urls: ManagementUrls
    ) -> ApiCall:
        return ApiCall(
            request=request,
            client=client,
            query=query,
            urls=urls,
            cautions=self._cautions,
            face=face,
            url=origin_of(request, use_forwarded=False) + request.rel_url.raw_path_qs,
            use_app_lease=self._options.use_app_lease,
            max_body=self.max_body,
        )

    def _client_of(self, hub: str, connection: str) -> AbstractAsyncContextManager[DurableClient]:
        own_connection = connection_key(self._options.storage.connection_name)
        key = (hub.lower(), connection_key(connection))
        if key == (self._options.hub_name.lower(), own_connection):
            return nullcontext(self._client)
        if self._others is None:
            raise UnknownHub(f"This host serves the task hub '{self._options.hub_name}' only.")
        return self._others.client(hub, connection, key)


async def _segments(client: DurableClient, parts: list[str], cautions: Cautions) -> list[str]:
    """Return the decoded segments of a path. Event names and entity keys are decoded twice, as in Azure."""
    segments = [decoded_once(part) for part in parts]
    if segments[0].lower() == "instances" and len(parts) > 1:
        segments[1] = await known_id(client, parts[1], cautions)
        is_event = len(parts) == 4 and segments[2].lower() == "raiseevent"
        if is_event:
            segments[3:] = [decoded_again(part, cautions) for part in segments[3].split("/")]
    elif segments[0].lower() == "entities":
        segments[2:] = [decoded_again(part, cautions) for part in segments[2:]]
    return segments


class _Pattern(msgspec.Struct, frozen=True):
    method: str
    words: tuple[str | None, ...]
    answer: Callable[..., Awaitable[web.Response]]

    def fits(self, segments: list[str]) -> bool:
        """Whether these segments are a path of this pattern, with any method."""
        return len(self.words) == len(segments) and all(
            word is None or word == segment.lower() for word, segment in zip(self.words, segments, strict=True)
        )


async def _start(call: ApiCall, name: str, instance_id: str | None = None) -> web.Response:
    return await start_route.start(call, name, instance_id or None)


async def _list_entities(call: ApiCall, name: str | None = None) -> web.Response:
    return await entity_route.list_entities(call, name)


async def _signal(call: ApiCall, name: str, key: str = "") -> web.Response:
    return await entity_route.signal(call, name, key)


async def _signal_without_name(call: ApiCall) -> web.Response:
    return await entity_route.signal(call, "", "")


async def _delete_entity(call: ApiCall, name: str, key: str = "") -> web.Response:
    return await entity_route.signal(call, name, key, "delete")


async def _make_primary(call: ApiCall) -> web.Response:
    if not call.use_app_lease:
        return answers.error(400, "Cannot make current app primary. This app is not using the AppLease feature.")
    return answers.empty(200)


_PATTERNS = (
    _Pattern("GET", ("instances", None), status_route.get_status),
    _Pattern("POST", ("instances", None, "raiseevent", None), operation_route.raise_event),
    _Pattern("POST", ("orchestrators", None), _start),
    _Pattern("POST", ("orchestrators", None, None), _start),
    _Pattern("GET", ("instances",), status_route.list_instances),
    _Pattern("DELETE", ("instances",), status_route.purge_by_filter),
    _Pattern("DELETE", ("instances", None), status_route.purge_one),
    _Pattern("POST", ("instances", None, "restart"), operation_route.restart),
    _Pattern("POST", ("instances", None, "restartwithoptions"), operation_route.restart_with_options),
    _Pattern("POST", ("instances", None, "rewind"), operation_route.rewind),
    *(
        _Pattern("POST", ("instances", None, operation), partial(operation_route.with_reason, operation=operation))
        for operation in operation_route.REASON_OPERATIONS
    ),
    _Pattern("GET", ("entities",), _list_entities),
    _Pattern("GET", ("entities", None), _list_entities),
    _Pattern("GET", ("entities", None, None), entity_route.get_entity),
    _Pattern("POST", ("entities",), _signal_without_name),
    _Pattern("POST", ("entities", None), _signal),
    _Pattern("POST", ("entities", None, None), _signal),
    _Pattern("DELETE", ("entities", None), _delete_entity),
    _Pattern("DELETE", ("entities", None, None), _delete_entity),
)


async def _route(call: ApiCall, method: str, segments: list[str]) -> web.Response:
    for pattern in _PATTERNS:
        if pattern.method == method and pattern.fits(segments):
            pairs = zip(pattern.words, segments, strict=True)
            return await pattern.answer(call, *(segment for word, segment in pairs if word is None))
    if [segment.lower() for segment in segments] == ["makeprimary"]:  # with any method
        return await _make_primary(call)
    call.cautions.no_route(method, "/".join(segments), has_slash=_may_have_slash(method, segments))
    return answers.empty(404)


def _may_have_slash(method: str, segments: list[str]) -> bool:
    """Whether the segments of an unknown path may be those of a shorter one that has a slash in an ID, name or key."""
    if any(pattern.fits(segments) for pattern in _PATTERNS):
        return False  # a known path with a wrong method
    return any(
        pattern.method == method and pattern.words[0] == segments[0].lower() and len(pattern.words) < len(segments)
        for pattern in _PATTERNS
    )
