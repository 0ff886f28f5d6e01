"""Listing instances."""

from contextlib import suppress
from typing import Any

import pytest
from hub_samples import clock, complete, create, receive, run_first_episode

from durable_host.durable.api.errors import InvalidToken
from durable_host.durable.api.query_page import query_page
from durable_host.durable.model.instance import EndedQuery, InstanceQuery
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import NotAToken, TaskHub


async def _all(hub: TaskHub, **wanted) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = await hub.query_instances(InstanceQuery(continuation_token=token, **wanted))
        assert len(page.instances) <= wanted.get("top", 100)
        found += [state.instance_id for state in page.instances]
        token = page.continuation_token
        if token is None:
            return found


async def test_an_empty_hub_lists_nothing(hub: TaskHub):
    page = await hub.query_instances(InstanceQuery())
    assert page.instances == []
    assert page.continuation_token is None


@pytest.mark.parametrize(
    "token", ["zzz", "zzzz", "nonsense", "page 2", "1", "YWJj YW", "YWI= YWI=", "\u00fc!", "a b c"]
)
async def test_a_continuation_token_that_no_page_had_is_refused(hub: TaskHub, token: str):
    await create(hub, "a")
    with pytest.raises(NotAToken, match="is not a continuation token of this task hub"):
        await hub.query_instances(InstanceQuery(continuation_token=token))


async def test_only_the_token_is_blamed_on_the_token(hub: TaskHub):
    wrong = InstanceQuery(continuation_token="nonsense!")
    with pytest.raises(InvalidToken, match=r"'nonsense!' is not a continuation token .*'x-ms-continuation-token'"):
        await query_page(hub, wrong)
    with suppress(UnicodeEncodeError):  # not for every hub
        await query_page(hub, InstanceQuery(continuation_token="YWJj", instance_id_prefix="\ud800"))


@pytest.mark.parametrize("instance_id", ["a", "ü b", "@counter@x y", "漢字-1", "a\u200bb", "x" * 100])
async def test_the_token_of_a_page_leads_to_the_next_one_without_its_spaces(hub: TaskHub, instance_id: str):
    for name in ("!first", instance_id):
        await create(hub, name)
    token = (await hub.query_instances(InstanceQuery(top=1))).continuation_token
    assert token is not None
    page = await hub.query_instances(InstanceQuery(top=1, continuation_token=token.strip()))
    assert [state.instance_id for state in page.instances] == [instance_id]


async def test_instances_come_in_the_order_of_their_ids(hub: TaskHub):
    for name in ["b", "a", "C", "a1", "10", "9"]:
        await create(hub, name)
    assert await _all(hub) == ["10", "9", "C", "a", "a1", "b"]


@pytest.mark.parametrize("top", [1, 2, 3, 7, 100])
async def test_pages_together_hold_everything_once(hub: TaskHub, top: int):
    ids = sorted(f"i{number}" for number in range(7))
    for name in ids:
        await create(hub, name)
    assert await _all(hub, top=top) == ids


async def test_statuses_filter(hub: TaskHub):
    await create(hub, "pending")
    await receive(hub, 1)
    await complete(hub, "completed")
    await complete(hub, "failed", OrchestrationStatus.Failed)
    await run_first_episode(hub, "running")
    assert await _all(hub, statuses=frozenset({OrchestrationStatus.Running})) == ["running"]
    ended = frozenset({OrchestrationStatus.Completed, OrchestrationStatus.Failed})
    assert await _all(hub, statuses=ended) == ["completed", "failed"]
    assert await _all(hub, statuses=frozenset({OrchestrationStatus.Canceled})) == []


async def test_created_times_filter_both_ends_included(hub: TaskHub):
    times = [(await create(hub, name)).created_time for name in ("a", "b", "c")]
    assert await _all(hub, created_from=times[1]) == ["b", "c"]
    assert await _all(hub, created_to=times[1]) == ["a", "b"]
    assert await _all(hub, created_from=times[1], created_to=times[1]) == ["b"]
    assert await _all(hub, created_from=clock.now()) == []


async def test_prefixes_filter_case_sensitively(hub: TaskHub):
    for name in ["order-1", "order-2", "Order-3", "orde", "order", "ordez", "x%y", "x_y", "x'y"]:
        await create(hub, name)
    assert await _all(hub, instance_id_prefix="order") == ["order", "order-1", "order-2"]
    assert await _all(hub, instance_id_prefix="x%") == ["x%y"]
    assert await _all(hub, instance_id_prefix="x_") == ["x_y"]
    assert await _all(hub, instance_id_prefix="x'") == ["x'y"]
    assert await _all(hub, instance_id_prefix="nothing") == []


async def test_prefixes_may_end_beyond_the_basic_plane(hub: TaskHub):
    for name in ["emoji-", "emoji-😀", "emoji-😀!", "emoji-😁", "z", "日本語"]:
        await create(hub, name)
    assert await _all(hub, instance_id_prefix="emoji-😀") == ["emoji-😀", "emoji-😀!"]


async def test_entities_are_left_out_on_request(hub: TaskHub):
    for name in ["@counter@a", "@counter@", "A", "1", "~"]:
        await create(hub, name)
    assert await _all(hub, exclude_entities=True) == ["1", "A", "~"]
    assert await _all(hub, instance_id_prefix="@counter@") == ["@counter@", "@counter@a"]
    assert len(await _all(hub)) == 5


async def test_filters_combine_and_page(hub: TaskHub):
    for number in range(6):
        await complete(hub, f"done-{number}")
    await create(hub, "done-pending")
    start = (await hub.get_instance("done-2")).created_time
    found = await _all(
        hub,
        instance_id_prefix="done-",
        statuses=frozenset({OrchestrationStatus.Completed}),
        created_from=start,
        top=2,
    )
    assert found == ["done-2", "done-3", "done-4", "done-5"]


async def test_input_and_output_are_left_out_on_request(hub: TaskHub):
    await complete(hub, "a")
    wanted = InstanceQuery(fetch_input=False, fetch_output=False, instance_id_prefix="a")
    (bare,) = (await hub.query_instances(wanted)).instances
    assert (bare.input, bare.output) == (None, None)
    (full,) = (await hub.query_instances(InstanceQuery(instance_id_prefix="a"))).instances
    assert (full.input, full.output) == ('"Tokyo"', '"done"')
    assert full == await hub.get_instance("a")


async def _ended(hub: TaskHub, **wanted: Any) -> list[str]:
    """All pages."""
    found: list[str] = []
    after = (-1, "")
    while True:
        page = await hub.list_ended(EndedQuery(after=after, **wanted))
        assert len(page) <= wanted.get("top", 100)
        if not page:
            return found
        found += [instance_id for _, instance_id in page]
        after = page[-1]


@pytest.mark.parametrize("top", [1, 2, 3, 100])
async def test_ended_instances_come_in_the_order_of_their_ends_on_any_page_size(hub: TaskHub, top: int):
    for name in ("c", "a", "b", "@e@k", "d"):
        await complete(hub, name, OrchestrationStatus.Failed if name == "b" else OrchestrationStatus.Completed)
    await run_first_episode(hub, "running")
    assert await _ended(hub, top=top) == ["c", "a", "b", "d"]
    assert await _ended(hub, top=top, statuses=frozenset({OrchestrationStatus.Failed})) == ["b"]


async def test_ended_instances_of_a_time_range_leave_out_its_end(hub: TaskHub):
    for name in ("a", "b", "c"):
        await complete(hub, name)
    times = [time for time, _ in await hub.list_ended(EndedQuery())]
    assert times == sorted(set(times))
    assert await _ended(hub, ended_from=times[1]) == ["b", "c"]
    assert await _ended(hub, ended_to=times[2]) == ["a", "b"]
    assert await _ended(hub, ended_from=times[1], ended_to=times[2]) == ["b"]


async def test_instance_that_begins_again_has_not_ended(hub: TaskHub):
    await complete(hub, "a", OrchestrationStatus.Failed)
    await hub.rewind("a", None)
    assert await _ended(hub) == []
