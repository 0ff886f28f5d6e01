"""Errors for a Node.js app that does not load or has no functions, with a remedy."""

import re
from pathlib import Path
from typing import Any

from durable_host.invocation.errors import AppError, AppImportFailed, DebuggerUnusable, SdkMissing

SDK = "@azure/functions"
OLDEST = {SDK: 4, "durable-functions": 3}
_MISSING = re.compile(r"Cannot find (?:module|package) '([^']+)'")
_MIX_UP = (
    "Cannot use import statement outside a module",
    "Cannot use 'import.meta' outside a module",
    "is not defined in ES module scope",
    "Unexpected token 'export'",
    "await is only valid in async functions",
)
_TYPESCRIPT = (".ts", ".mts", ".cts")


def load_error(failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
    """The error for an app that does not load. Its text is the reference's, after the place in the user's code."""
    if failure["kind"] == "debugger_failed":
        return DebuggerUnusable(
            "The debugger cannot listen.",
            cause=failure["message"],
            remedy="Stop the program that uses the port, or use another one: --debug 9230",
            code="DH4021",
        )
    if (too_old := _too_old(frame)) is not None:
        name, version, oldest = too_old
        return SdkMissing(
            f"The app has {name} {version}, which is too old: this host runs {oldest}.x and later.",
            cause=f"{_place(failure)}{failure['message'].splitlines()[0]}",
            remedy=f"Install a newer one, and move the app to the programming model v4: npm install {name}@{oldest}",
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


def _too_old(frame: dict[str, Any]) -> tuple[str, str, int] | None:
    """Name, version and oldest usable version of a package that explains why the app does not load."""
    installed: dict[str, str] = frame.get("installed", {})
    for name, oldest in OLDEST.items():
        version = installed.get(name)
        if version is not None and (major := version.partition(".")[0]).isdigit() and int(major) < oldest:
            return name, version, oldest
    return None


def _place(failure: dict[str, Any]) -> str:
    return f"{failure['file']}:{failure['line']}: " if failure.get("file") else ""


def _remedy(failure: dict[str, Any], reason: str, missing: re.Match[str] | None) -> str:
    code = failure.get("code")
    if missing is not None:
        name = missing[1]
        if not name.startswith((".", "/", "file:")) and not re.match(r"[A-Za-z]:[\\/]", name):
            package = _package(name)
            return f"Install it: npm install. If package.json does not name it: npm install {package}"
        if code == "ERR_MODULE_NOT_FOUND":
            return "In an ES module, an import needs the file's extension: import './other.js'"
        return "Check the file's name. Compile TypeScript first: npm run build"
    is_typescript = str(failure.get("file", "")).endswith(_TYPESCRIPT) and failure["type"] == "SyntaxError"
    if code == "ERR_UNKNOWN_FILE_EXTENSION" or is_typescript:
        return (
            "Compile TypeScript first, with npm run build, and let 'main' of package.json name the .js files. Node.js "
            "22.18 and later load .ts files as they are, without enums and decorators."
        )
    if code == "ERR_REQUIRE_ESM" or any(text in reason for text in _MIX_UP):
        return (
            'Set "type": "module" in package.json for ES modules (import), or "type": "commonjs" for CommonJS '
            "(require). It does not apply to .mjs and .cjs files."
        )
    if reason.startswith(("Found zero files matching", "File does not exist")):
        return (
            "Set 'main' of package.json to the files that register the functions, such as src/functions/*.js. "
            "Compile TypeScript first: npm run build"
        )
    if "test mode" in reason:
        return "Exclude @azure/functions-core from the bundle: mark it as external in the bundler's options."
    if "has already been registered" in reason:
        return "Give each function its own name."
    if failure["type"] == "SyntaxError":
        return "Correct the syntax there."
    return "Fix the code that throws this while the app is loaded."


def _package(name: str) -> str:
    """The package that contains the module with this name."""
    parts = name.split("/")
    return "/".join(parts[:2]) if name.startswith("@") else parts[0]


def nothing_found(root: Path, frame: dict[str, Any]) -> str | None:
    """A sentence that explains why the app has no functions."""
    if not (root / "package.json").is_file():
        return "There is no package.json."
    if (too_old := _too_old(frame)) is not None:
        name, version, oldest = too_old
        return f"It has {name} {version}, which is too old: npm install {name}@{oldest}"
    if frame.get("main") is None:
        return "package.json has no 'main'. Set it to the files that register the functions: src/functions/*.js"
    if not (root / "node_modules" / SDK).is_dir() and not frame["sdk"]:
        return f"{SDK} is not installed: npm install"
    count = frame.get("matched", 0)
    files = f"{count} file{'' if count == 1 else 's'}"
    return f"'main' in package.json matches {files}, but none registers a function with app.http or similar."
