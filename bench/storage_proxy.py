"""An HTTP proxy in front of Azurite that counts storage calls and makes chosen ones fail.

    with StorageProxy(azurite) as proxy:
        start_host(storage=proxy.connection)
        rule = proxy.add(Rule(Hold(), kind=Kind.DELETE_MESSAGE, family="a1"))
        ...
        rule.wait()      # the host has sent that call, and it has not taken effect
        host.kill()
        rule.lift()

It runs in a separate thread. The signatures of requests stay valid: they cover the path, the query and certain
headers, but not the host.
"""

import asyncio
import contextlib
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from bench.storage_calls import CallReader, Kind, StorageCall
from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount, StorageError, queue_xml

PATIENCE = 60.0
KEPT_BACK = 3600.0
_MESSAGE = re.compile(rb"<QueueMessage>.*?</QueueMessage>", re.DOTALL)
_CONNECTION_HEADERS = ("Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Expect")
_CODES = {
    400: "InvalidInput",
    403: "AuthenticationFailed",
    404: "ResourceNotFound",
    408: "OperationTimedOut",
    409: "Conflict",
    412: "UpdateConditionNotSatisfied",
    413: "RequestBodyTooLarge",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServerBusy",
}


@dataclass(frozen=True)
class Fail:
    """Answer `status` (0: cut the connection) instead of sending the request, or `after` it has taken effect."""

    status: int = 500
    after: bool = False
    code: str = ""


@dataclass(frozen=True)
class Repeat:
    """Send the request twice and return the second answer, like a transport that lost the first one."""


@dataclass(frozen=True)
class Delay:
    """Send the request later."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """Hold the request, before or `after` it has taken effect, until the rule is lifted. Then cut the connection."""

    after: bool = False


@dataclass(frozen=True)
class Freeze:
    """Block all calls of the family from this call until `thaw`. The call itself takes effect only with `after`.
    The storage is then as if the process had died at this call. The answer is 503, but 404 for deletes and renewals of
    messages, because a host that retries them cannot process others. Messages of the family are withheld: a host that
    receives them repeatedly would increase their dequeue counts and thereby their delays.
    """

    after: bool = False


Action = Fail | Repeat | Delay | Hold | Freeze


class Rule:
    """Applies `action` to `times` calls (None: all, until `lift`) after skipping the first `skip` that match.

    A call matches by its kind, the family of its instances, the end of its place, the event of its message, and
    `condition`; None matches any. `call` is the last call that it was applied to, `hits` is the number of such calls.
    """

    def __init__(
        self,
        action: Action,
        *,
        kind: Kind | None = None,
        family: str | None = None,
        place: str = "",
        event: str | None = None,
        condition: Callable[[StorageCall], bool] | None = None,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        self.action = action
        self.family = family
        self.hits = 0
        self.call: StorageCall | None = None
        self._kind = kind
        self._place = place
        self._event = event
        self._condition = condition
        self._skip = skip
        self._left = times
        self._lifted = threading.Event()
        self._changed = threading.Condition()

    def applies(self, call: StorageCall) -> bool:
        """Whether the action applies to this call. Counts the matching call."""
        if self._lifted.is_set() or self._left == 0:
            return False
        if self._kind not in (None, call.kind) or self._event not in (None, call.event):
            return False
        if self.family is not None and self.family not in call.families:
            return False
        if not call.place.endswith(self._place) or (self._condition is not None and not self._condition(call)):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def hit(self, call: StorageCall) -> None:
        """Record that the action was applied."""
        with self._changed:
            self.call = call
            self.hits += 1
            self._changed.notify_all()

    def wait(self, hits: int = 1, limit: float = PATIENCE) -> None:
        """Wait until the action was applied `hits` times. Fails after `limit` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.hits >= hits, limit):
                raise AssertionError(f"{self.action} was applied {self.hits} times, not {hits}")

    def lift(self) -> None:
        """Stop applying the rule and release the requests that it holds."""
        self._lifted.set()

    @property
    def is_lifted(self) -> bool:
        return self._lifted.is_set()


class StorageProxy:
    """The proxy on free ports; `connection` is the account as its clients see it."""

    def __init__(self, azurite: Connection) -> None:
        self._azurite = azurite
        self._reader = CallReader()
        self._general: tuple[Rule, ...] = ()
        self._by_family: dict[str, tuple[Rule, ...]] = {}
        self._frozen: frozenset[str] = frozenset()
        self._kept_back: list[tuple[str, str, str]] = []
        self.calls: list[StorageCall] = []
        self.connection = azurite
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="storage proxy", daemon=True)

    def __enter__(self) -> "StorageProxy":
        self._thread.start()
        if not self._ready.wait(PATIENCE) or self.connection is self._azurite:
            raise RuntimeError("the storage proxy did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.clear()
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(PATIENCE)

    # Rules

    def add(self, rule: Rule) -> Rule:
        """Apply the rule from now on. Only the first matching rule applies to a call."""
        if rule.family is None:
            self._general = (*self._general, rule)
        else:
            self._by_family[rule.family] = (*self._by_family.get(rule.family, ()), rule)
        return rule

    def clear(self) -> None:
        """Lift all rules and thaw what is frozen."""
        general, by_family = self._general, self._by_family
        self._general, self._by_family = (), {}
        for rule in (*general, *(rule for rules in by_family.values() for rule in rules)):
            rule.lift()
        self.thaw()

    @property
    def frozen(self) -> frozenset[str]:
        """The frozen families."""
        return self._frozen

    def thaw(self) -> None:
        """Let calls of the frozen families through again, and deliver their messages."""
        self._frozen = frozenset()
        if self._kept_back:
            asyncio.run_coroutine_threadsafe(self._hand_out(), self._loop).result(PATIENCE)

    # Counting

    def forget_calls(self) -> None:
        """Reset the counts."""
        self.calls = []

    def of_family(self, family: str) -> list[StorageCall]:
        """The calls of a family that reached Azurite, in order."""
        return [call for call in list(self.calls) if family in call.families]

    def counts(self, families: Iterable[str]) -> dict[str, Counter[Kind]]:
        """The number of calls that reached Azurite for each of these families, by kind."""
        counts: dict[str, Counter[Kind]] = defaultdict(Counter)
        wanted = frozenset(families)
        for call in list(self.calls):
            for family in call.families & wanted:
                counts[family][call.kind] += 1
        return counts

    def messages(self) -> list[tuple[frozenset[str], str]]:
        """Instances and event of each message that went through the proxy and was not deleted through it."""
        return self._reader.known_messages()

    # Serving

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        endpoints: dict[str, str] = {}
        async with aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=600),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        ) as session:
            runners: list[web.ServerRunner] = []
            for service in ("blob", "queue", "table"):
                target = urlsplit(getattr(self._azurite, f"{service}_endpoint"))
                runner = web.ServerRunner(
                    web.Server(self._handler(service, target.netloc, target.path, session), keepalive_timeout=600),
                    shutdown_timeout=1.0,
                )
                await runner.setup()
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                port: int = runner.addresses[0][1]
                endpoints[f"{service}_endpoint"] = f"http://127.0.0.1:{port}{target.path}"
                runners.append(runner)
            self.connection = msgspec.structs.replace(self._azurite, **endpoints)
            self._ready.set()
            await self._stopped.wait()
            for runner in runners:
                await runner.cleanup()

    def _handler(self, service: str, netloc: str, account: str, session: aiohttp.ClientSession):
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.content.read()
            path = request.raw_path.partition("?")[0].removeprefix(account)
            query = dict(parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True))
            call = self._reader.read(service, request.method, path, query, body)

            async def forward() -> web.Response:
                headers = CIMultiDict(request.headers)
                for name in _CONNECTION_HEADERS:
                    headers.popall(name, None)
                if body or "Content-Length" in request.headers:
                    headers["Content-Length"] = str(len(body))
                url = URL(f"http://{netloc}{request.raw_path}", encoded=True)
                async with session.request(
                    request.method, url, headers=headers, data=body or None, allow_redirects=False
                ) as answer:
                    content = await answer.read()
                    self.calls.append(call)
                    if answer.status < 300:
                        self._reader.learn(call, path, content)
                        if self._frozen and call.kind is Kind.GET_MESSAGES:
                            content = await self._without_frozen(call.place, content)
                    kept = CIMultiDict(answer.headers)
                    for name in ("Connection", "Keep-Alive", "Transfer-Encoding"):
                        kept.popall(name, None)
                    if request.method != "HEAD":
                        kept.popall("Content-Length", None)
                    return web.Response(status=answer.status, reason=answer.reason, headers=kept, body=content)

            return await self._answer(request, service, call, forward)

        return handle

    async def _answer(self, request: web.BaseRequest, service: str, call: StorageCall, forward) -> web.StreamResponse:
        if self._frozen and call.families & self._frozen:
            settles = call.kind in (Kind.DELETE_MESSAGE, Kind.UPDATE_MESSAGE)
            return _failure(service, 404, "MessageNotFound") if settles else _failure(service, 503)
        rule = self._rule_for(call)
        if rule is None:
            return await forward()
        action = rule.action
        if isinstance(action, Freeze):
            self._frozen |= call.families
        if isinstance(action, Fail | Hold | Freeze) and action.after:
            await forward()
        rule.hit(call)
        match action:
            case Delay():
                await asyncio.sleep(action.seconds)
                return await forward()
            case Repeat():
                await forward()
                return await forward()
            case Hold():
                while not rule.is_lifted:
                    await asyncio.sleep(0.02)
                return _cut(request)
            case Freeze():
                return _cut(request)
            case Fail():
                return _failure(service, action.status, action.code) if action.status else _cut(request)

    async def _without_frozen(self, queue: str, answer: bytes) -> bytes:
        """The answer to a get without messages of frozen families, which stay hidden until `thaw`."""
        frozen = [one for one in queue_xml.read_messages(answer) if self._reader.families_of(one.id) & self._frozen]
        if not frozen:
            return answer
        async with StorageAccount(self._azurite) as account:
            for one in frozen:
                with contextlib.suppress(StorageError):  # deleted by a call that started earlier
                    receipt, _ = await account.queues.update(queue, one.id, one.pop_receipt, KEPT_BACK)
                    self._kept_back.append((queue, one.id, receipt))
        if not self._frozen:  # thawed meanwhile
            await self._hand_out()
        ids = [one.id.encode() for one in frozen]
        return _MESSAGE.sub(lambda found: b"" if any(one in found[0] for one in ids) else found[0], answer)

    async def _hand_out(self) -> None:
        kept_back, self._kept_back = self._kept_back, []
        async with StorageAccount(self._azurite) as account:
            for queue, message_id, receipt in kept_back:
                await account.queues.update(queue, message_id, receipt, 0)

    def _rule_for(self, call: StorageCall) -> Rule | None:
        rules = [rule for family in call.families for rule in self._by_family.get(family, ())]
        return next((rule for rule in (*rules, *self._general) if rule.applies(call)), None)


def _cut(request: web.BaseRequest) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _failure(service: str, status: int, code: str = "") -> web.Response:
    """An error answer as the service words it."""
    code = code or _CODES[status]
    text = f"The storage proxy answers {status}."
    headers = {"x-ms-error-code": code, "x-ms-request-id": "00000000-0000-0000-0000-000000000000"}
    if service == "table":
        body = f'{{"odata.error":{{"code":"{code}","message":{{"lang":"en-US","value":"{text}"}}}}}}'
        return web.Response(status=status, headers=headers, text=body, content_type="application/json")
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    return web.Response(status=status, headers=headers, text=body, content_type="application/xml")
