"""Instance IDs of every allowed kind."""

import pytest
from hub_samples import activity, create, raised, receive, receive_activity, run_first_episode

from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.taskhub.port import TaskHub

ODD_IDS = [
    "with space",
    " leading and trailing ",
    "Ünïcödé-ß",
    "日本語",
    "emoji-🎉-👩‍👩‍👧",
    "line\u2028separator",
    "it's",
    "''",
    '"quoted"',
    "100%",
    "%41%2F",
    "a^b^^c^0",
    "a&b=c+d;e,f",
    "<xml>&amp;",
    "{json: [1]}",
    "$top",
    "a:b",
    "a:0",
    "~",
    ".",
    "..",
    "-",
    "sentinel",
    "x" * 256,
    "é" * 256,
    "@counter@a",
    "@counter@",
    "@counter@k@with@ats",
    "@counter@🎉",
]


@pytest.mark.parametrize("instance_id", ODD_IDS, ids=range(len(ODD_IDS)))
async def test_an_odd_id_works_everywhere(hub: TaskHub, instance_id: str):
    start, _ = await run_first_episode(hub, instance_id)
    assert start.target.instance_id == instance_id
    state = await hub.get_instance(instance_id)
    assert state.instance_id == instance_id
    assert len(await hub.get_history(instance_id)) == 3
    page = await hub.query_instances(InstanceQuery(instance_id_prefix=instance_id))
    assert [found.instance_id for found in page.instances] == [instance_id]
    await hub.send(raised(instance_id, "Approval", f'"{len(instance_id)}"'))
    (message,) = await receive(hub, 1)
    assert message.message.target.instance_id == instance_id
    await hub.discard([message])
    await run_first_episode(hub, "other", outbound=[activity(start.target)])
    assert (await receive_activity(hub)).message.target == start.target
    assert await hub.purge_instance(instance_id) is True
    assert await hub.get_instance(instance_id) is None


async def test_ids_that_differ_only_in_case_are_different_instances(hub: TaskHub):
    await run_first_episode(hub, "Order", input="1")
    await run_first_episode(hub, "order", input="2")
    assert (await hub.get_instance("Order")).input == "1"
    assert (await hub.get_instance("order")).input == "2"
    await hub.purge_instance("Order")
    assert await hub.get_instance("order") is not None


async def test_paging_passes_odd_ids(hub: TaskHub):
    for instance_id in ODD_IDS:
        await create(hub, instance_id)
    found: list[str] = []
    token = None
    while True:
        page = await hub.query_instances(InstanceQuery(top=3, continuation_token=token))
        found += [state.instance_id for state in page.instances]
        token = page.continuation_token
        if token is None:
            break
    assert sorted(found) == sorted(ODD_IDS)
    assert len(found) == len(set(found))
