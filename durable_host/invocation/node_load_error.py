"""Why a Node.js app does not load, or has no functions, and what to do about it."""

import re
from pathlib import Path
from typing import Any

from durable_host.invocation.errors import AppError, AppImportFailed, DebuggerUnusable, SdkMissing

SDK = "@azure/functions"
_MISSING = re.compile(r"Cannot find (?:module|package) '([^']+)'")
_MIX_UP = (
    "Cannot use import statement outside a module",
    "require is not defined in ES module scope",
    "Unexpected token 'export'",
    "exports is not defined in ES module scope",
    "module is not defined in ES module scope",
    "await is only valid in async functions",
)


def load_error(failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
    """The place in the user's code comes first, then the reference's text."""
    if failure["kind"] == "debugger_failed":
        return DebuggerUnusable(
            "The debugger cannot listen.",
            cause=failure["message"],
            remedy="Stop the program that uses the port, or use another one: --debug 9230",
            code="DH4021",
        )
    reason: str = failure.get("reason", failure["message"])
    missing = _MISSING.search(reason)
    if missing is not None and _package(missing[1]) == SDK:
        return SdkMissing(
            f"The app has no {SDK} package.",
            cause=f"{_place(failure)}{failure['message'].splitlines()[0]}",
            remedy=f"Install the app's packages: npm install. If package.json does not name it: npm install {SDK}",
        )
    return AppImportFailed(
        f"The function app does not load: {_place(failure)}{failure['message'].splitlines()[0]}",
        cause=failure["stack"].rstrip() or None,
        remedy=_remedy(failure, reason, missing),
    )


def _place(failure: dict[str, Any]) -> str:
    return f"{failure['file']}:{failure['line']}: " if failure.get("file") else ""


def _remedy(failure: dict[str, Any], reason: str, missing: re.Match[str] | None) -> str | None:
    code = failure.get("code")
    if missing is not None:
        name = missing[1]
        if not name.startswith((".", "/", "file:")) and not re.match(r"[A-Za-z]:[\\/]", name):
            package = _package(name)
            return f"Install it: npm install. If package.json does not name it: npm install {package}"
        if code == "ERR_MODULE_NOT_FOUND":
            return "In an ES module, an import names the file with its extension: import './other.js'"
        return "Check the name of the file; TypeScript has to be compiled first: npm run build"
    if code == "ERR_REQUIRE_ESM" or any(text in reason for text in _MIX_UP):
        return (
            'Say in package.json which modules the app has: "type": "module" for ES modules (import), "commonjs" for '
            "CommonJS (require); .mjs and .cjs files are one or the other whatever it says."
        )
    if reason.startswith(("Found zero files matching", "File does not exist")):
        return (
            "Set 'main' of package.json to the files that register the functions, such as src/functions/*.js. "
            "TypeScript has to be compiled first: npm run build"
        )
    if "test mode" in reason:
        return "Keep @azure/functions-core out of the bundle: name it as external."
    return None


def _package(name: str) -> str:
    """The package that a module's name belongs to."""
    parts = name.split("/")
    return "/".join(parts[:2]) if name.startswith("@") else parts[0]


def nothing_found(root: Path, frame: dict[str, Any]) -> str | None:
    """The first reason that fits."""
    if not (root / "package.json").is_file():
        return "There is no package.json."
    if frame.get("main") is None:
        return "package.json has no 'main', which names the files that register the functions: src/functions/*.js"
    if not (root / "node_modules" / SDK).is_dir() and not frame["sdk"]:
        return f"{SDK} is not installed: npm install"
    count = frame.get("matched", 0)
    files = f"{count} file{'' if count == 1 else 's'}"
    return f"'main' of package.json names {files}, none of which registers a function (app.http and others)."
