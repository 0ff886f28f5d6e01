"""Detects the language of an app: from FUNCTIONS_WORKER_RUNTIME, otherwise from the files in its folder."""

from pathlib import Path
from typing import Final

from durable_host.config.dotnet_project import in_process_model, is_dotnet_folder, is_isolated
from durable_host.config.settings import AppSettings

PYTHON: Final = "python"
NODE: Final = "node"
DOTNET: Final = "dotnet-isolated"
SETTING: Final = "FUNCTIONS_WORKER_RUNTIME"
DOTNET_NAMES: Final = frozenset(
    {DOTNET, "dotnetisolated", "c#-isolated", "csharp-isolated", "f#-isolated", "fsharp-isolated"}
)
"""Spellings of `dotnet-isolated` that Core Tools accept, in lower case."""
_IN_PROCESS: Final = "dotnet"
_NAMES: Final = {
    PYTHON: PYTHON, NODE: NODE, "javascript": NODE, "typescript": NODE, **dict.fromkeys(DOTNET_NAMES, DOTNET),
}  # fmt: skip
_PYTHON_FILES: Final = ("function_app.py", "requirements.txt")


def runtime_of(root: Path, settings: AppSettings, warnings: list[str]) -> str:
    """`python`, `node` or `dotnet-isolated`. An app in another language is treated as a Python app, with a warning.

    Raises InProcessModel.
    """
    named = (settings.get(SETTING) or "").strip()
    if named.casefold() == _IN_PROCESS:
        if not is_isolated(root):
            raise in_process_model("The app", f"{SETTING} is '{named}', which is the in-process model.")
        warnings.append(f"{SETTING} is '{named}', but the app uses the isolated worker model: set it to '{DOTNET}'.")
        return DOTNET
    if named:
        known = _NAMES.get(named.casefold())
        if known is None:
            warnings.append(
                f"{SETTING} is '{named}'. This host runs only Python, Node.js and .NET isolated apps, so it runs this "
                "as a Python app."
            )
        return known or PYTHON
    if settings.get("PYTHON_SCRIPT_FILE_NAME") or any((root / name).is_file() for name in _PYTHON_FILES):
        return PYTHON
    if is_dotnet_folder(root):
        warnings.append(
            f"{SETTING} is not set. The folder has the files of a .NET app, so this runs as one; set it to '{DOTNET}'."
        )
        return DOTNET
    if (root / "package.json").is_file():
        warnings.append(
            f"{SETTING} is not set. The folder has a package.json, so this runs as a Node.js app; set it to 'node'."
        )
        return NODE
    return PYTHON
