"""What the real Functions host says of function.json files that it cannot use. Each test names its row of the reference
page `functions-host`.
"""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from durable_host.config import load
from durable_host.host.functions import AppFunctions, app_functions
from durable_host.invocation.index import read_index
from durable_host.invocation.metadata import Binding, Direction, FunctionProblem, IndexResult
from durable_host.worker import loading_v1
from durable_host.worker.loaded import LoadedApp
from durable_host.worker.sdk import Sdk

REQUEST = {"name": "req", "type": "httpTrigger"}
BUNDLE = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}


def binding(declared: dict[str, Any]) -> Binding:
    rest = {name: value for name, value in declared.items() if name not in ("name", "type", "direction")}
    direction = cast("Direction", declared.get("direction", "in"))
    return Binding(declared["name"], declared["type"], direction, rest)


def mistakes(root: Path, declared: list[dict[str, Any]], **host_json: Any) -> AppFunctions:
    """The app with one function.json, whose code does not fit its bindings either."""
    (root / "host.json").write_text(json.dumps({"version": "2.0", **host_json}))
    of_code = FunctionProblem(
        function="broken",
        message="the following parameters are declared in Python but not in the function definition",
        bindings=tuple(binding(one) for one in declared),
    )
    index = IndexResult(errors=(of_code,), model="v1")
    return app_functions(index, load(root, environ={}), lambda one: one.type == "httpTrigger")


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (
            [REQUEST, {"name": "t", "type": "timerTrigger"}],
            "Multiple trigger bindings defined. A function can only have a single trigger binding.",
        ),
        (
            [{"name": "doc", "type": "blob"}],
            "No trigger binding specified. A function must have a trigger input binding.",
        ),
        (
            [REQUEST, {"name": "Req", "type": "blob"}],
            "Multiple bindings with name 'req' discovered. Binding names must be unique.",
        ),
        (
            [{"name": "1req", "type": "httpTrigger"}],
            "The binding name 1req is invalid. Please assign a valid name to the binding.",
        ),
        (
            [REQUEST, {"name": "x", "type": "foo"}],
            "The binding type(s) 'foo' are not registered. Please ensure the type is correct and the binding extension "
            "is installed.",
        ),
        (
            [REQUEST, {"name": "x", "type": "foo", "direction": "out"}],
            "The binding type(s) 'foo' are not registered. Please ensure the type is correct and the binding extension "
            "is installed.",
        ),
    ],
)
def test_a_mistake_in_the_bindings_is_named_in_the_words_of_the_host(
    tmp_path: Path, declared: list[dict[str, Any]], text: str
) -> None:
    """functions-host 24: a mistake in the bindings is named in the words of the host"""
    assert [error.message for error in mistakes(tmp_path, declared).errors] == [text]


@pytest.mark.differs("texts-of-mistakes")
@pytest.mark.parametrize("wrong", [{"authLevel": "foo"}, {"methods": "get"}])
def test_values_that_the_host_cannot_read_are_mistakes(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """functions-host 24: the text is better here"""
    [error] = mistakes(tmp_path, [{**REQUEST, **wrong}]).errors
    assert next(iter(wrong)) in error.message
    assert "Python" not in error.message


def test_an_unknown_type_of_an_app_with_a_bundle_is_not_in_the_bundle(tmp_path: Path) -> None:
    """functions-host 24: with the text of apps that have a bundle; only this host mentions a similar name"""
    declared = [REQUEST, {"name": "x", "type": "servicBus"}]
    [error] = mistakes(tmp_path, declared, extensionBundle=BUNDLE).errors
    assert error.message == (
        "The binding type(s) 'servicBus' were not found in the configured extension bundle. Please ensure the type is "
        "correct and the correct version of extension bundle is configured. Did you mean 'serviceBus'?"
    )


def test_an_app_with_extensions_of_its_own_may_have_types_of_any_name(tmp_path: Path) -> None:
    """functions-host 24: then the extension is installed, and the function is not served here"""
    (tmp_path / "extensions.csproj").write_text("<Project />")
    [error] = mistakes(tmp_path, [REQUEST, {"name": "x", "type": "foo"}]).errors
    assert "foo" not in error.message


@pytest.mark.parametrize("content", [{"bindings": []}, {}])
def test_a_function_json_without_bindings_is_a_mistake_before_its_code_is_loaded(
    tmp_path: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """functions-host 24: a function json without bindings is a mistake before its code is loaded"""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "function.json").write_text(json.dumps(content))
    (tmp_path / "empty" / "__init__.py").write_text("raise RuntimeError('not to be imported')")
    monkeypatch.setitem(sys.modules, loading_v1.PACKAGE, ModuleType(loading_v1.PACKAGE))
    app = LoadedApp(sdk=Sdk())
    loading_v1.load(app, str(tmp_path))
    nothing = {"functions": [], "failure": None, "warnings": [], "python": "", "executable": "", "sdk": {}}
    index = read_index({**nothing, "errors": app.errors, "model": "v1"})
    assert [(error.function, error.message) for error in index.errors] == [
        ("empty", "At least one binding must be declared.")
    ]
