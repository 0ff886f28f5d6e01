"""Adds a function from a template to an app of any programming model."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template as Text

import msgspec

from durable_host.cli.atomic_write import write_atomically
from durable_host.cli.scaffold import dotnet_creation, module_edit, node_creation, rendering
from durable_host.cli.scaffold.languages import Language
from durable_host.cli.scaffold.module_text import FUNCTIONS, Container, ModuleText
from durable_host.cli.scaffold.source_file import SourceFile
from durable_host.cli.scaffold.template_catalog import FunctionTemplate, Model
from durable_host.errors import ConfigurationError, UsageError
from durable_host.worker import lenient_json

Report = Callable[[str], None]
_NEW_APP = f"import {FUNCTIONS} as func\n\napp = func.FunctionApp()\n"
_DURABLE_SDK: Mapping[Model, str] = {
    "V1": "# 2.x does not have the function.json model.\nazure-functions-durable>=1.2.9,<2\n",
    "V2": "# Tested with 1.2.9 and 1.7.0, and with 2.0.0rc3 on Python 3.13.\nazure-functions-durable>=1.2.9,<3\n",
}
"""The lines for the durable SDK in requirements.txt, by programming model."""
_TEXTS: Mapping[Model, str] = {
    "V1": "v1/{}/__init__.py",
    "V2": "v2/{}.py",
    "V4": "node/{}.js",
    "isolated": "dotnet/{}.cs",
}
"""The code of a template, by programming model."""
_DERIVED_NAME = re.compile(r"""(?:["']|def )(?:\$|%%)\{name\}(\w+)""")
_LONGEST_NAME = 128
_ORCHESTRATOR = "durable_orchestrator"
_ACTIVITY = "durable_activity"


class Target(msgspec.Struct, frozen=True):
    """Where to add a function. `script` is the V2 app's main file; `blueprint` is another file below `root`, or None.

    `language` distinguishes JavaScript and TypeScript in the V4 model.
    """

    root: Path
    model: Model
    script: str = "function_app.py"
    blueprint: Path | None = None
    language: Language = "python"


def create(target: Target, template: FunctionTemplate, name: str, values: Mapping[str, str], report: Report) -> None:
    """Write the function. Raises UsageError or ConfigurationError before anything is written."""
    _check_derived_names(target.model, template, name)
    values = _complete(target.model, template, name, values)
    if target.model == "isolated":
        dotnet_creation.create(target.root, template, name, values, report)
        return
    if target.model == "V4":
        node_creation.create(target.root, target.language, template, name, values, report)
        return
    if target.model == "V1":
        _create_folders(target.root, template, name, values, report)
    elif target.blueprint is None:
        _append_to_app(target, template, values, report)
    else:
        _append_to_blueprint(target, target.blueprint, template, values, report)
    if template.is_durable:
        _require_durable(target, report)


def default_of(default: str, name: str) -> str:
    """A default value with `$name` replaced by the function's name."""
    return Text(default).substitute(name=name)


def _complete(model: Model, template: FunctionTemplate, name: str, values: Mapping[str, str]) -> dict[str, str]:
    complete = {ask.key: values.get(ask.key) or default_of(ask.default_in(model), name) for ask in template.asks}
    level = complete.get("auth_level", "function")
    complete |= {"auth_level": level.upper(), "auth_level_lower": level.lower()}
    return {**complete, "name": name, "activity_name": f"{name}_step"}


def _check_derived_names(model: Model, template: FunctionTemplate, name: str) -> None:
    """Refuse a name if other functions of the template, which begin with it, had names that the host refuses."""
    endings = _DERIVED_NAME.findall(rendering.read(_TEXTS[model].format(template.key)))
    longest = max((name + ending for ending in endings), key=len, default=name)
    if len(longest) > _LONGEST_NAME:
        raise UsageError(
            f'"{longest}" is not a valid function name.',
            cause=f"The template also adds this function, and a name has at most {_LONGEST_NAME} characters.",
            remedy="Choose a shorter name with --name.",
        )


def _append_to_app(target: Target, template: FunctionTemplate, values: Mapping[str, str], report: Report) -> None:
    file = SourceFile.read(target.root / target.script)
    text = file.text if file.text.strip() else _NEW_APP
    module = ModuleText(text, target.script)
    if template.is_durable:
        app = _app_of(module)
        if not app.is_durable:
            module = ModuleText(module_edit.as_durable(module, app), target.script)
    snippet = rendering.render(f"v2/{template.key}.py", {**values, "app": _app_of(module).variable})
    edited = module_edit.with_functions(module, snippet)
    report(f"Appending to {file.path}")
    file.write(edited)


def _append_to_blueprint(
    target: Target, path: Path, template: FunctionTemplate, values: Mapping[str, str], report: Report
) -> None:
    main, file = SourceFile.read(target.root / target.script), SourceFile.read(path)
    app_module = ModuleText(main.text if main.text.strip() else _NEW_APP, target.script)
    app = _app_of(app_module)
    module = ModuleText(
        file.text if file.text.strip() else module_edit.new_blueprint(durable=template.is_durable), path.name
    )
    blueprint = module.container("blueprint")
    if blueprint is None:
        raise ConfigurationError(
            f"{path.name} does not define a Blueprint to add the function to.",
            remedy=f"Add 'bp = func.Blueprint()' to {path.name} (import azure.functions as func), or name a new file.",
            code="DH1044",
        )
    if template.is_durable and not blueprint.is_durable:
        module = ModuleText(module_edit.as_durable(module, blueprint), path.name)
    clash = _defined(template, values) & app_module.function_names
    if clash:
        raise UsageError(f"{target.script} already has a '{min(clash)}'.", remedy="Choose another name with --name.")
    snippet = rendering.render(f"v2/{template.key}.py", {**values, "app": blueprint.variable})
    edited = module_edit.with_functions(module, snippet)
    dotted = ".".join(path.relative_to(target.root).with_suffix("").parts)
    registered = module_edit.with_blueprint(app_module, app, dotted, blueprint.variable)
    report(f"{'Appending to' if path.exists() else 'Writing'} {path}")
    file.write(edited)
    if registered != main.text:
        report(f"Registering {blueprint.variable} of {dotted} in {main.path}")
        main.write(registered)


def _defined(template: FunctionTemplate, values: Mapping[str, str]) -> set[str]:
    snippet = rendering.render(f"v2/{template.key}.py", {**values, "app": "app"})
    return ModuleText(snippet, template.name).function_names


def _app_of(module: ModuleText) -> Container:
    app = module.container("app")
    if app is None:
        raise ConfigurationError(
            f"{module.name} does not define a FunctionApp, so there is nothing to add the function to.",
            remedy="Add 'app = func.FunctionApp()' to it (import azure.functions as func).",
            code="DH1045",
        )
    return app


def _create_folders(
    root: Path, template: FunctionTemplate, name: str, values: Mapping[str, str], report: Report
) -> None:
    """Write the folder of the function, and that of the activity that it calls, if it calls one."""
    folders = {name: template.key}
    if template.key == _ORCHESTRATOR:
        folders[values["activity_name"]] = _ACTIVITY
    for folder in folders:
        if (root / folder).exists():
            raise UsageError(f"'{root}' already has a '{folder}'.", remedy="Choose another name with --name.")
    for folder, key in folders.items():
        _write_folder(root / folder, key, name, values, report)


def _write_folder(folder: Path, key: str, name: str, values: Mapping[str, str], report: Report) -> None:
    files = {file: rendering.render(f"v1/{key}/{file}", values) for file in ("__init__.py", "function.json")}
    document = json.loads(files["function.json"])
    for binding in document["bindings"]:
        if binding.get("route") == name:
            del binding["route"]
    files["function.json"] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    for file, text in files.items():
        report(f"Writing {folder / file}")
        write_atomically(folder / file, text)


def _require_durable(target: Target, report: Report) -> None:
    """Add the durable package to requirements.txt if it is missing."""
    file = SourceFile.read(target.root / "requirements.txt")
    names = {line.split("#")[0].strip().lower().replace("_", "-") for line in file.text.splitlines()}
    if any(name.startswith("azure-functions-durable") for name in names):
        return
    text = file.text if not file.text or file.text.endswith("\n") else file.text + "\n"
    report("Adding azure-functions-durable to requirements.txt")
    file.write(f"{text}{_DURABLE_SDK[target.model]}")


def missing_settings(root: Path, values: Mapping[str, str]) -> list[str]:
    """Connections among the values that local.settings.json does not have."""
    connection = values.get("connection")
    try:
        document = lenient_json.parse((root / "local.settings.json").read_text("utf-8-sig"))
        known = {str(key).casefold() for key in document.get("Values", {})}
    except (OSError, ValueError, AttributeError):
        return []
    if not connection or any(name.startswith(connection.casefold()) for name in known):
        return []
    return [connection]


__all__ = ["Target", "create", "default_of", "missing_settings"]
