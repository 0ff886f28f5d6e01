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
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from bench.storage_calls import CallReader, Kind, StorageCall
from bench.storage_rules import PATIENCE, Delay, Fail, Freeze, Hold, Repeat, Rule
from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount, StorageError, queue_xml

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
class _Service:
    """A service of Azurite. Its paths begin with `account`."""

    name: str
    netloc: str
    account: str
    session: aiohttp.ClientSession


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
                    web.Server(
                        self._handler(_Service(service, target.netloc, target.path, session)), keepalive_timeout=600
                    ),
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

    def _handler(self, service: "_Service") -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            body = await request.content.read()
            raw_path, _, query = request.raw_path.partition("?")
            path = raw_path.removeprefix(service.account)
            parameters = dict(parse_qsl(query, keep_blank_values=True))
            call = self._reader.read(service.name, request.method, path, parameters, body)
            return await self._answer(request, service.name, call, lambda: self._forward(request, body, service, call))

        return handle

    async def _forward(
        self, request: web.BaseRequest, body: bytes, service: "_Service", call: StorageCall
    ) -> web.Response:
        headers = CIMultiDict(request.headers)
        for name in _CONNECTION_HEADERS:
            headers.popall(name, None)
        if body or "Content-Length" in request.headers:
            headers["Content-Length"] = str(len(body))
        url = URL(f"http://{service.netloc}{request.raw_path}", encoded=True)
        async with service.session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False
        ) as answer:
            content = await answer.read()
            self.calls.append(call)
            if answer.status < 300:
                self._reader.learn(call, request.raw_path.partition("?")[0].removeprefix(service.account), content)
                if self._frozen and call.kind is Kind.GET_MESSAGES:
                    content = await self._without_frozen(call.place, content)
            kept = CIMultiDict(answer.headers)
            for name in ("Connection", "Keep-Alive", "Transfer-Encoding"):
                kept.popall(name, None)
            if request.method != "HEAD":
                kept.popall("Content-Length", None)
            return web.Response(status=answer.status, reason=answer.reason, headers=kept, body=content)

    async def _answer(
        self, request: web.BaseRequest, service: str, call: StorageCall, forward: Callable[[], Awaitable[web.Response]]
    ) -> web.StreamResponse:
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
