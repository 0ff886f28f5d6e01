"""W3C trace context and spans, through the whole runtime and the real SDK."""

import json
from collections.abc import Callable, Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from runtime_world import App, Hosts, World

from durable_host import spans
from durable_host.durable.model.events import ExecutionStarted, TraceContext

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = TraceContext(f"00-{TRACE}-b7ad6b7169203331-01", "vendor=1")

Spans = Callable[[], Sequence[ReadableSpan]]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Sequence[ReadableSpan]]]:
    """An SDK is configured; the spans that have ended."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    yield exporter.get_finished_spans
    provider.shutdown()


@pytest.fixture
def app(app: App) -> App:
    seen: dict[str, list[TraceContext | None]] = {"activity": [], "entity": []}
    app.seen = seen  # type: ignore[attr-defined]
    run_activity, run_entity = app.run_activity, app.run_entity

    async def watch_activity(function: str, trigger: str, *, trace: TraceContext | None, **options: object) -> object:
        seen["activity"].append(trace)
        return await run_activity(function, trigger, **options)  # type: ignore[arg-type]

    async def watch_entity(function: str, trigger: str, *, trace: TraceContext | None, **options: object) -> object:
        seen["entity"].append(trace)
        return await run_entity(function, trigger, **options)  # type: ignore[arg-type]

    app.run_activity = watch_activity  # type: ignore[assignment,method-assign]
    app.run_entity = watch_entity  # type: ignore[assignment,method-assign]

    @app.activity
    def fail(_: object) -> None:
        raise ValueError("no good")

    @app.entity
    def counter(context):
        if context.operation_name == "break":
            raise ValueError("broken")
        context.set_state((context.get_state(lambda: 0)) + 1)
        context.set_result(context.get_state())

    @app.orchestrator
    def parent(context):
        import azure.durable_functions as df

        yield context.call_sub_orchestrator("chain", ["Tokyo"])
        return (yield context.call_entity(df.EntityId("counter", "k"), "add"))

    @app.orchestrator
    def failing(context):
        yield context.call_activity("fail", None)

    @app.orchestrator
    def again(context):
        n = context.get_input()
        yield context.call_activity("hello", "x")
        if n < 3:
            context.continue_as_new(n + 1)

    return app


async def start(world: World, name: str, instance_id: str, input: object = None) -> None:
    text = None if input is None else json.dumps(json.dumps(input))
    await world.client.start(name, instance_id=instance_id, input=text, trace=CALLER)


def by_name(ended: Sequence[ReadableSpan]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in ended}


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


async def test_without_an_sdk_the_callers_context_travels_as_it_is(hosts: Hosts, app: App) -> None:
    world = await hosts.start(app)
    await start(world, "parent", "i")
    await world.result("i")
    assert {trace and trace.trace_parent for trace in app.seen["activity"] + app.seen["entity"]} == {
        CALLER.trace_parent
    }
    started = next(event for event in await world.client.history("i") if isinstance(event, ExecutionStarted))
    assert started.parent_trace_context == CALLER


async def test_without_a_caller_no_trace_context_is_created(hosts: Hosts, app: App) -> None:
    world = await hosts.start(app)
    await world.start("chain", "i")
    await world.result("i")
    assert set(app.seen["activity"]) == {None}
    assert not spans.configured()


async def test_spans_go_from_the_starter_through_children_activities_and_entities(
    hosts: Hosts, app: App, recorded: Spans
) -> None:
    world = await hosts.start(app)
    await start(world, "parent", "i")
    await world.result("i")
    ended = by_name(recorded())
    created, orchestration = ended["create_orchestration:parent"], ended["orchestration:parent"]
    child, activity, entity = ended["orchestration:chain"], ended["activity:hello"], ended["entity:counter:add"]
    assert {span.context.trace_id for span in ended.values()} == {int(TRACE, 16)}
    assert parent_of(created) == int("b7ad6b7169203331", 16)
    assert parent_of(orchestration) == created.context.span_id
    assert parent_of(child) == orchestration.context.span_id
    assert parent_of(activity) == child.context.span_id
    assert parent_of(entity) == orchestration.context.span_id
    assert [created.kind, orchestration.kind, activity.kind, entity.kind] == [
        SpanKind.PRODUCER, SpanKind.SERVER, SpanKind.SERVER, SpanKind.SERVER,
    ]  # fmt: skip
    assert orchestration.start_time <= activity.start_time <= activity.end_time <= orchestration.end_time  # pyright: ignore[reportOperatorIssue]
    assert orchestration.attributes is not None
    assert orchestration.attributes["durabletask.task.instance_id"] == "i"
    assert orchestration.attributes["durabletask.task.status"] == "Completed"
    assert [trace.trace_parent for trace in app.seen["activity"]] == [f"00-{TRACE}-{activity.context.span_id:016x}-01"]
    assert app.seen["entity"][0].trace_parent == f"00-{TRACE}-{entity.context.span_id:016x}-01"
    assert created.context.trace_state.to_header() == "vendor=1"


async def test_failures_are_failed_spans(hosts: Hosts, app: App, recorded: Spans) -> None:
    world = await hosts.start(app)
    await start(world, "failing", "i")
    await world.result("i")
    await world.client.entities.signal("counter", "k", "break", trace=CALLER)
    await world.until(lambda: "entity:counter:break" in by_name(recorded()))
    ended = by_name(recorded())
    assert ended["activity:fail"].status.description == "ValueError: no good"
    assert ended["orchestration:failing"].status.status_code is StatusCode.ERROR
    assert ended["entity:counter:break"].status.status_code is StatusCode.ERROR
    assert ended["entity:counter:break"].kind is SpanKind.CONSUMER


async def test_an_orchestration_of_several_generations_is_one_span(hosts: Hosts, app: App, recorded: Spans) -> None:
    world = await hosts.start(app)
    await start(world, "again", "i", 1)
    await world.result("i")
    ended = recorded()
    orchestrations = [span for span in ended if span.name == "orchestration:again"]
    assert len(orchestrations) == 1
    activities = [span for span in ended if span.name == "activity:hello"]
    assert {parent_of(span) for span in activities} == {orchestrations[0].context.span_id}
    assert len(activities) == 3


async def test_an_orchestration_keeps_its_span_over_a_restart(hosts: Hosts, app: App, recorded: Spans) -> None:
    world = await hosts.start(app)
    await start(world, "approval", "i")
    await world.until(lambda: world.runtime.live.is_open("i"))
    await world.crash()
    assert "orchestration:approval" not in by_name(recorded())
    world = await hosts.start(app)
    await world.client.raise_event("i", "Approval", "1")
    await world.result("i")
    ended = by_name(recorded())
    started = next(event for event in await world.client.history("i") if isinstance(event, ExecutionStarted))
    own = ended["orchestration:approval"]
    assert started.parent_trace_context is not None
    assert started.parent_trace_context.id == f"00-{TRACE}-{own.context.span_id:016x}-01"
    assert parent_of(own) == ended["create_orchestration:approval"].context.span_id
