"""Rewind of failed orchestrations that workers of the Durable Task SDK for Python run."""

from datetime import timedelta
from typing import Any

import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus
from workers_world import Workers

_calls: list[str] = []
_mended: set[str] = set()


@pytest.fixture(autouse=True)
def broken() -> None:
    """Activities fail until a test mends them."""
    _calls.clear()
    _mended.clear()


def act_work(ctx: task.ActivityContext, name: str) -> str:
    _calls.append(name)
    if name.startswith("bad") and name not in _mended:
        raise ValueError(f"{name} is broken")
    return f"{name} done"


def chain(ctx: task.OrchestrationContext, names: list[str]) -> Any:
    results = []
    for name in names:
        results.append((yield ctx.call_activity(act_work, input=name)))
    return results


def fan_out(ctx: task.OrchestrationContext, names: list[str]) -> Any:
    results = yield task.when_all([ctx.call_activity(act_work, input=name) for name in names])
    return results


def parent(ctx: task.OrchestrationContext, names: list[str]) -> Any:
    first = yield ctx.call_activity(act_work, input="good")
    below = yield ctx.call_sub_orchestrator(chain, input=names, instance_id=f"{ctx.instance_id}-child")
    return [first, below]


def grandparent(ctx: task.OrchestrationContext, names: list[str]) -> Any:
    below = yield ctx.call_sub_orchestrator(parent, input=names, instance_id=f"{ctx.instance_id}-parent")
    return below


def patient(ctx: task.OrchestrationContext, name: str) -> Any:
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=3)
    result = yield ctx.call_activity(act_work, input=name, retry_policy=policy)
    return result


def raises(ctx: task.OrchestrationContext, _: Any) -> Any:
    said = yield ctx.call_activity(act_work, input="good")
    if "raises" not in _mended:
        raise RuntimeError("no")
    return said


FUNCTIONS = (act_work, chain, fan_out, parent, grandparent, patient, raises)


async def rewound(workers: Workers, name: str, instance_id: str, **options: Any) -> Any:
    """What an instance returns that fails first and is rewound when everything is mended."""
    failed = await workers.result(name, instance_id, **options)
    assert failed.runtime_status == OrchestrationStatus.FAILED
    _mended.update({"bad", "bad 2", "raises"})
    _calls.append("rewind")
    await workers.sdk.rewind_orchestration(instance_id, reason="it is mended")
    state = await workers.end(instance_id)
    assert state.runtime_status == OrchestrationStatus.COMPLETED, state
    return state.get_output()


@pytest.mark.parametrize(
    ("name", "names", "output", "calls"),
    [
        (
            "chain",
            ["good", "bad", "last"],
            ["good done", "bad done", "last done"],
            ["good", "bad", "rewind", "bad", "last"],
        ),
        ("parent", ["good", "bad"], ["good done", ["good done", "bad done"]], ["good", "good", "bad", "rewind", "bad"]),
        ("grandparent", ["bad"], ["good done", ["bad done"]], ["good", "bad", "rewind", "bad"]),
    ],
)
async def test_rewind_runs_again_only_what_failed(
    workers: Workers, name: str, names: list[str], output: Any, calls: list[str]
) -> None:
    await workers.start(*FUNCTIONS)
    assert await rewound(workers, name, "i", input=names) == output
    assert _calls == calls


async def test_rewind_keeps_the_results_of_a_fan_out(workers: Workers) -> None:
    await workers.start(*FUNCTIONS)
    output = await rewound(workers, "fan_out", "i", input=["good", "bad", "fine", "bad 2"])
    assert output == ["good done", "bad done", "fine done", "bad 2 done"]
    again = _calls[_calls.index("rewind") + 1 :]
    assert sorted(again) == ["bad", "bad 2"]


async def test_rewind_begins_the_attempts_of_a_retry_anew(workers: Workers) -> None:
    await workers.start(*FUNCTIONS)
    assert await rewound(workers, "patient", "i", input="bad") == "bad done"
    assert _calls == ["bad", "bad", "bad", "rewind", "bad"]


async def test_rewind_runs_code_again_that_has_raised(workers: Workers) -> None:
    await workers.start(*FUNCTIONS)
    assert await rewound(workers, "raises", "i", input=None) == "good done"
    assert _calls == ["good", "rewind"]


async def test_instance_that_fails_again_can_be_rewound_again(workers: Workers) -> None:
    await workers.start(*FUNCTIONS)
    await workers.result("chain", "i", input=["bad"])
    await workers.sdk.rewind_orchestration("i", reason="too early")
    assert (await workers.end("i")).runtime_status == OrchestrationStatus.FAILED
    _mended.add("bad")
    await workers.sdk.rewind_orchestration("i", reason="it is mended")
    assert (await workers.end("i")).get_output() == ["bad done"]
