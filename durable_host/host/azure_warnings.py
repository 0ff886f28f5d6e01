"""Warnings about functions that run here, but would not run, or would run differently, in Azure."""

from collections.abc import Iterator

from durable_host.bindings.unserved_output import SETTING, OutputNotServed, mode_of
from durable_host.config.settings import AppSettings
from durable_host.host.functions import AppFunctions
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.metadata import FunctionMetadata

RESERVED_NAME = "DH5040"
REFUSED_ANNOTATION = "DH5041"
DISABLED_IN_FILE = "DH5050"
MOST_NAMED = 5
RESERVED_NAMES = {"activitytrigger": frozenset({"data"})}
"""Parameter names that Azure's host cannot bind because it uses them itself, by trigger type, as far as observed."""


def azure_warnings(functions: AppFunctions, bindings: BindingRegistry, settings: AppSettings) -> Iterator[str]:
    """The warnings, in the order of the functions."""
    yield from _annotations(functions)
    logs_outputs = mode_of(settings) == "log"
    for function in functions.served:
        trigger = function.trigger
        if function.disabled is not None and str(function.disabled).lower() not in ("false", "0", ""):
            yield (
                f"{DISABLED_IN_FILE}: The function '{function.name}' runs: 'disabled' in its function.json has no "
                f"effect, here or in Azure. To disable it, set AzureWebJobs.{function.name}.Disabled=true in the "
                "app settings ('Values' of local.settings.json)."
            )
        if trigger.name.lower() in RESERVED_NAMES.get(trigger.type.lower(), ()):
            yield (
                f"{RESERVED_NAME}: The function '{function.name}' runs here, but Azure would not serve it: the "
                f"parameter of its {trigger.type} is called '{trigger.name}', a name that Azure's host uses itself "
                f"(\"Can't bind parameter '{trigger.name}' to type 'System.String'.\"), and each call would fail. "
                f"Give the parameter another name, in the trigger and in the function{_place(function)}."
            )
        for output in function.outputs:
            if bindings.has_output(output.type):
                continue
            what = (
                "A value that is set is logged as a line of JSON and not sent."
                if logs_outputs
                else f"Setting it fails the call. Set {SETTING}=log to have the values logged instead."
            )
            yield (
                f"{OutputNotServed.code}: The function '{function.name}' runs, but its output '{output.name}' is not "
                f"served: this host has no '{output.type}'. {what}"
            )


def _annotations(functions: AppFunctions) -> Iterator[str]:
    """One warning for all annotations, because such an app usually has many."""
    found = [
        f"{name}: {annotation} in '{function.name}'{_place(function)}"
        for function in functions.all
        for name, annotation in function.refused_annotations.items()
    ]
    if not found:
        return
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    what = "would serve none of this app's functions" if functions.model == "v2" else "would fail each call"
    yield (
        f"{REFUSED_ANNOTATION}: This app runs here, but Azure {what}: its worker refuses annotations that are "
        f"neither classes nor generic types of typing ({', '.join(found[:MOST_NAMED])}{more}). Write the class alone, "
        "such as list or str, or typing.List[str]; leave out Optional and None."
    )


def _place(function: FunctionMetadata) -> str:
    return f" ({function.source_file}:{function.source_line})" if function.source_file else ""
