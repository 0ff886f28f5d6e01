"""The languages of apps: their names on the command line, and detecting the language of an app."""

import os
from pathlib import Path
from typing import Final, Literal

from durable_host.config import AppSettings, local_settings, suggestion
from durable_host.config.worker_runtime import DOTNET, NODE, PYTHON, runtime_of
from durable_host.errors import UsageError

Language = Literal["python", "javascript", "typescript", "csharp"]
LANGUAGES: Final[tuple[Language, ...]] = ("python", "javascript", "typescript", "csharp")
SUPPORTED: Final = "Python, JavaScript, TypeScript or C# (.NET isolated)"
_NAMES: Final[dict[str, Language]] = {
    "python": "python",
    "py": "python",
    "javascript": "javascript",
    "js": "javascript",
    "typescript": "typescript",
    "ts": "typescript",
    "csharp": "csharp",
    "c#": "csharp",
    "cs": "csharp",
}


def language(text: str) -> Language:
    """The language with this name, ignoring case. Raises UsageError."""
    found = _NAMES.get(text.strip().lower())
    if found is None:
        meant = suggestion.closest(text, LANGUAGES)
        raise UsageError(
            f"Language '{text}' is not supported: this program runs apps written in {SUPPORTED}.",
            remedy=f"Did you mean '{meant}'?" if meant else None,
        )
    return found


def complete_language(_ctx: object, _option: object, incomplete: str) -> list[str]:
    """The languages that start with `incomplete`, for shell completion."""
    return [name for name in LANGUAGES if name.startswith(incomplete.lower())]


def complete_runtime(_ctx: object, _option: object, incomplete: str) -> list[str]:
    """The worker runtimes and languages that start with `incomplete`; the option accepts both."""
    return [name for name in ("python", NODE, DOTNET, *LANGUAGES[1:]) if name.startswith(incomplete.lower())]


def is_node_app(root: Path) -> bool:
    """Whether the app in this folder is a Node.js app, by the same rules as `func start`."""
    return runtime_of(root, settings_of(root), []) == NODE


def is_dotnet_app(root: Path) -> bool:
    """Whether the app in this folder is a .NET isolated app, by the same rules as `func start`."""
    return runtime_of(root, settings_of(root), []) == DOTNET


def settings_of(root: Path) -> AppSettings:
    """The app's settings from local.settings.json, overridden by the environment. Does not read host.json."""
    values = {**local_settings.read(root / local_settings.FILE_NAME, []).values}
    return AppSettings(values | {name: value for name, value in os.environ.items() if value})


def app_language(root: Path) -> Language:
    """The language of the app in this folder; Python if there is no app."""
    runtime = runtime_of(root, settings_of(root), [])
    if runtime == DOTNET:
        return "csharp"
    return node_language(root) if runtime == NODE else "python"


def runtime_name(language: Language) -> str:
    """The worker runtime for a language."""
    return {"python": PYTHON, "csharp": DOTNET}.get(language, NODE)


def node_language(root: Path) -> Language:
    """The language of a Node.js app: TypeScript if it has a tsconfig.json, otherwise JavaScript."""
    return "typescript" if (root / "tsconfig.json").exists() else "javascript"
