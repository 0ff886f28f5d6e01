"""Orchestrations of the SDK for OpenAI agents, with the real `openai-agents` and a stand-in for the model."""

import json
from collections.abc import Iterator

import pytest
from durable_world import finished, raise_event, run, start_instance, wait_custom_status
from fast_start import WITH_AGENTS
from host_process import HostProcess, hub_settings, write_app
from model_endpoint import model_endpoint

APP = '''
import azure.durable_functions as df
import azure.functions as func
from agents import Agent, RunConfig, Runner, function_tool
from agents.run import CallModelData, ModelInputData

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def without_nulls(data: CallModelData) -> ModelInputData:
    """The SDK hands absent fields on as null, which newer versions of openai refuse."""
    items = [{name: value for name, value in item.items() if value is not None} for item in data.model_data.input]
    return ModelInputData(input=items, instructions=data.model_data.instructions)


RUN = RunConfig(call_model_input_filter=without_nulls)


@app.activity_trigger(input_name="city")
def weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


@function_tool
def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


@app.orchestration_trigger(context_name="context")
@app.durable_openai_agent_orchestrator
def adviser(context):
    tools = [context.create_activity_tool(weather), double]
    agent = Agent(name="adviser", instructions="Say what to wear.", model="stand-in", tools=tools)
    return Runner.run_sync(agent, context.get_input(), run_config=RUN).final_output


@app.orchestration_trigger(context_name="context")
@app.durable_openai_agent_orchestrator
def letter(context):
    agent = Agent(name="writer", instructions="Write.", model="stand-in")
    draft = Runner.run_sync(agent, context.get_input(), run_config=RUN).final_output
    context.set_custom_status("drafted")
    approval = yield context.wait_for_external_event("Approval")
    forecast = yield context.call_activity("weather", "Rome")
    final = Runner.run_sync(agent, f"{draft} again", run_config=RUN).final_output
    return [approval, forecast, final]
'''
LETTER = ["yes", "rain in Rome", "a letter, written again, written"]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    with model_endpoint() as url:
        model = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none", "OPENAI_AGENTS_DISABLE_TRACING": "1"}
        root = write_app(tmp_path_factory.mktemp("app"), {"function_app.py": APP})
        host = HostProcess(root, {**hub_settings(connection_string), **model, **WITH_AGENTS}).start("--verbose")
        yield host
        host.end()


def drafted(host: HostProcess) -> str:
    instance_id = start_instance(host, "letter", "a letter")
    wait_custom_status(host, instance_id, "drafted")
    return instance_id


def test_an_agent_calls_an_activity_and_a_function_and_answers(host: HostProcess) -> None:
    assert run(host, "adviser", "Paris")["output"] == "rain in Paris and 42"


def test_agents_of_several_instances_do_not_meet(host: HostProcess) -> None:
    cities = ["Bern", "Oslo", "Lima", "Rome"]
    instances = [start_instance(host, "adviser", city) for city in cities]
    answers = [finished(host, instance_id)["output"] for instance_id in instances]
    assert answers == [f"rain in {city} and 42" for city in cities]


def test_an_orchestration_continues_after_its_event(host: HostProcess) -> None:
    instance_id = drafted(host)
    raise_event(host, instance_id, "Approval", "yes")
    assert json.loads(finished(host, instance_id)["output"]) == LETTER


def test_why_these_orchestrators_are_replayed_is_said_once_for_each(host: HostProcess) -> None:
    for city in ("Bern", "Oslo"):
        run(host, "adviser", city)
    drafted(host)
    told = [line for line in host.lines if "DH6146" in line]
    assert len(told) == 2
    assert all("because durable_openai_agent_orchestrator reads the whole history" in line for line in told)


def test_an_orchestration_continues_when_its_host_was_killed(host: HostProcess) -> None:
    instance_id = drafted(host)
    host.kill()
    host.start("--verbose")
    raise_event(host, instance_id, "Approval", "yes")
    assert json.loads(finished(host, instance_id)["output"]) == LETTER
