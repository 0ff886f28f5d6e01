"""Failures and log records of .NET code as the host shows them."""

import logging
from types import SimpleNamespace

import pytest
import rpc_messages as rpc
from recorded_turns import recorded

from durable_host.durable.sdk.dotnet_activities import failed_dotnet_activity
from durable_host.function_rpc import rpc_logs
from durable_host.function_rpc.rpc_failures import code_failure, function_failed


def recorded_failure() -> SimpleNamespace:
    exception = recorded()["activity-failure"]["response"]["invocation_response"]["result"]["exception"]
    return SimpleNamespace(**exception)


def test_a_failed_activity_is_shown_with_its_own_type_and_text() -> None:
    failed = function_failed(recorded_failure())
    assert str(failed) == "System.InvalidOperationException: activity says no: bad"
    assert failed.stack == "   at SampleCore.Durable.FailActivity(String input) in {SRC}/Durable.cs:line 51"
    assert (failed.failure.file, failed.failure.line) == ("{SRC}/Durable.cs", 51)


def test_the_orchestrator_gets_the_whole_failure_of_the_activity() -> None:
    outcome = failed_dotnet_activity(function_failed(recorded_failure()))
    assert outcome.failure is not None
    assert outcome.failure.inner_failure is not None
    assert outcome.failure.inner_failure.error_type == "System.FormatException"
    assert (outcome.failure.stack_trace or "").count("\n") == 2, "all frames"


def test_an_activity_whose_failure_cannot_be_read_is_shown_as_it_is() -> None:
    exception = recorded_failure()
    exception.message = "{broken"
    failed = function_failed(exception)
    assert failed.message == "{broken"
    assert failed.encoded is None


def test_frames_below_the_orchestrator_are_not_shown() -> None:
    stack = (
        "   at Microsoft.DurableTask.Worker.Shims.TaskOrchestrationContextWrapper.CallActivityAsync[T](TaskName name)\n"
        "   at SampleCore.Durable.Everything(TaskOrchestrationContext context) in {SRC}/Durable.cs:line 110\n"
        "   at SampleCore.DirectFunctionExecutor.ExecuteAsync(FunctionContext context)\n"
        "   at Microsoft.DurableTask.Worker.Shims.TaskOrchestrationShim.Execute(OrchestrationContext innerContext)"
    )
    failure = code_failure("E", "text", stack)
    assert failure.frames.count("\n") == 1
    assert failure.line == 110


@pytest.mark.parametrize(
    ("category", "level"),
    [
        ("Microsoft.DurableTask.Worker.Orchestrations", 2),
        ("Microsoft.DurableTask.Worker.Orchestrations", 4),
        ("Microsoft.DurableTask.Client.Grpc.GrpcDurableTaskClient", 2),
        ("Microsoft.Azure.Functions.Worker.Extensions.DurableTask.FunctionsOrchestrator", 4),
    ],
)
def test_what_the_host_logs_itself_is_logged_at_debug_level(
    caplog: pytest.LogCaptureFixture, category: str, level: int
) -> None:
    caplog.set_level(logging.DEBUG)
    rpc_logs.relay(rpc.RpcLog(category=category, level=level, message="an orchestration ended"), "O", "i")
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.DEBUG, "Host.Worker")


@pytest.mark.parametrize(
    ("category", "level"),
    [("BudgetApproval", 2), ("SampleCore.Counter", 4), ("Microsoft.DurableTask.Client.Grpc.GrpcDurableTaskClient", 3)],
)
def test_records_of_the_app_and_warnings_of_the_client_are_shown(
    caplog: pytest.LogCaptureFixture, category: str, level: int
) -> None:
    caplog.set_level(logging.DEBUG)
    rpc_logs.relay(rpc.RpcLog(category=category, level=level, message="text"), "O", "i")
    (record,) = caplog.records
    assert (record.levelno, record.name) == (level * 10, "Function.O.User")
