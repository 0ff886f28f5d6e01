"""The languages of apps: their names on the command line, and what an app in a folder is written in."""

from pathlib import Path
from typing import Final, Literal

from durable_host.config import suggestion
from durable_host.errors import UsageError

Language = Literal["python", "javascript", "typescript"]
LANGUAGES: Final[tuple[Language, ...]] = ("python", "javascript", "typescript")
_NAMES: Final[dict[str, Language]] = {
    "python": "python",
    "py": "python",
    "javascript": "javascript",
    "js": "javascript",
    "typescript": "typescript",
    "ts": "typescript",
}
NODE: Final = "node"
"""The worker runtime of apps in JavaScript and TypeScript."""


def language(text: str) -> Language:
    """The language of this name, in any case. Raises UsageError."""
    found = _NAMES.get(text.strip().lower())
    if found is None:
        meant = suggestion.closest(text, LANGUAGES)
        raise UsageError(
            f"Language '{text}' is not supported: this program runs apps written in Python, JavaScript or TypeScript.",
            remedy=f"Did you mean '{meant}'?" if meant else None,
        )
    return found


def complete_language(_ctx: object, _option: object, incomplete: str) -> list[str]:
    """The languages that begin so, for the completion of a shell."""
    return [name for name in LANGUAGES if name.startswith(incomplete.lower())]


def complete_runtime(_ctx: object, _option: object, incomplete: str) -> list[str]:
    """The worker runtimes that begin so, and the languages, which are accepted too."""
    return [name for name in ("python", NODE, *LANGUAGES[1:]) if name.startswith(incomplete.lower())]


def is_node_app(root: Path, runtime: str | None) -> bool:
    """Whether the app is for Node.js: `runtime` (FUNCTIONS_WORKER_RUNTIME) says so, else its files do."""
    if runtime:
        return runtime.strip().lower() in (NODE, "javascript", "typescript")
    has = (root / "package.json").exists()
    return has and not (root / "function_app.py").exists() and not (root / "requirements.txt").exists()


def node_language(root: Path) -> Language:
    """What a Node.js app is written in: TypeScript if it has a tsconfig.json."""
    return "typescript" if (root / "tsconfig.json").exists() else "javascript"
