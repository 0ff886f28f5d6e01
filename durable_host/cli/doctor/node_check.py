"""Checks the app's Node.js, package.json, packages and build without loading the app.

Source: docs/protocol/node-worker.md#nodejs-version, docs/protocol/node-worker.md#entry-points
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

from durable_host.cli.doctor import findings
from durable_host.cli.doctor.findings import Finding
from durable_host.cli.package_json import output_folder, section
from durable_host.cli.scaffold.languages import settings_of
from durable_host.errors import HostError
from durable_host.invocation.node_worker import INSTALL, NODE_WORKER

_NODE: Final = "Node.js"
_APP: Final = "package.json"
_PACKAGES: Final = "Packages"
_BUILD: Final = "Build"
_LIBRARY: Final = "@azure/functions"
_DURABLE: Final = "durable-functions"
_SERVED: Final = {_LIBRARY: 4, _DURABLE: 3}
"""The major version of each package that this host supports."""
_OLDEST: Final = 18
_ENDS: Final = {18: (2025, 4), 20: (2026, 4), 22: (2027, 4), 24: (2028, 4)}
"""The year and month in which support for a version of Node.js ends."""
_ASK_SECONDS: Final = 60.0


def check(root: Path) -> list[Finding]:
    """Check Node.js, package.json, the installed packages and the build of the app in `root`."""
    package, about = read_package(root)
    return [*node_findings(root), *about, *_packages(root, package), *_build(root, package)]


def node_findings(root: Path, today: date | None = None) -> list[Finding]:
    """Check the Node.js that would run the app, including whether it is still supported."""
    try:
        node = NODE_WORKER.find(root, explicit=None, environ=settings_of(root).environment())
        answer = subprocess.run(
            [str(node.path), "--version"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
    except HostError as error:
        return [findings.of_error(_NODE, error)]
    except (OSError, subprocess.SubprocessError) as error:
        return [findings.problem(_NODE, f"Node.js does not work: {error}", INSTALL)]
    version = answer.stdout.strip().removeprefix("v")
    major = int(found[0]) if (found := re.match(r"\d+", version)) else 0
    text = f"Node.js {version} at {node.path} ({node.source})"
    if major < _OLDEST:
        return [findings.problem(_NODE, f"{text} is too old.", INSTALL)]
    result = [findings.ok(_NODE, text)]
    now = today or date.today()
    if major not in _ENDS:
        result.append(findings.warning(_NODE, f"Azure Functions does not run Node.js {major}.", "Use 20, 22 or 24."))
    elif (now.year, now.month) > _ENDS[major]:
        year, month = _ENDS[major]
        remedy = "Use a newer version; Azure will stop running apps on this one."
        result.append(findings.warning(_NODE, f"Support for Node.js {major} ended in {year}-{month:02}.", remedy))
    return result


def read_package(root: Path) -> tuple[dict[str, Any], list[Finding]]:
    """The app's package.json (empty if it is unusable), and the findings about it."""
    try:
        document: object = json.loads((root / _APP).read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}, [findings.problem(_APP, "There is no package.json.", "func init --node")]
    except (OSError, ValueError) as error:
        return {}, [findings.problem(_APP, f"package.json is not valid JSON: {error}", "Fix it, or run: npm init -y")]
    if not isinstance(document, dict):
        return {}, [findings.problem(_APP, "package.json is not an object.", "Fix it, or run: npm init -y")]
    package = cast("dict[str, Any]", document)
    main: object = package.get("main")
    if isinstance(main, str) and main:
        kind = "ES modules" if package.get("type") == "module" else "CommonJS"
        return package, [findings.ok(_APP, f"main is '{main}'; .js files are {kind}")]
    remedy = 'Add "main": "src/functions/*.js" (dist/src/functions/*.js for TypeScript).'
    return package, [findings.problem(_APP, "package.json has no 'main', so no function is loaded.", remedy)]


def _packages(root: Path, package: dict[str, Any]) -> Iterator[Finding]:
    dependencies, development = (section(package, name) for name in ("dependencies", "devDependencies"))
    if not (root / "node_modules").is_dir():
        if package:
            text = "The packages are not installed: there is no node_modules."
            yield findings.problem(_PACKAGES, text, "npm install")
        return
    for name, served in _SERVED.items():
        yield from _served_package(root, name, served)
    if _LIBRARY in development and _LIBRARY not in dependencies:
        text = f"{_LIBRARY} is a development dependency, so it is missing from a deployed app."
        yield findings.warning(_PACKAGES, text, f"npm install --save-prod {_LIBRARY}")
    yield from _unmet(root, development)


def _served_package(root: Path, name: str, served: int) -> Iterator[Finding]:
    version = _installed(root, name)
    if version is None:
        if name == _LIBRARY:
            yield findings.problem(_PACKAGES, f"{name} is not installed.", f"npm install {name}")
        return
    major = int(found[0]) if (found := re.match(r"\d+", version)) else served
    if major == served:
        yield findings.ok(_PACKAGES, f"{name} {version}")
    else:
        text = f"{name} {version} is not supported; this host runs version {served}.x."
        yield findings.problem(_PACKAGES, text, f"npm install {name}@{served}")


def _unmet(root: Path, development: dict[str, Any]) -> Iterator[Finding]:
    """Findings about dependencies that are missing or do not match package.json, according to npm. The app runs
    without those of `development`.
    """
    npm = shutil.which("npm")
    if npm is None:
        yield findings.warning(_PACKAGES, "npm is not on PATH, so versions were not compared with package.json.")
        return
    try:
        answer = subprocess.run(
            [npm, "ls", "--depth=0", "--json"],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
        listed: object = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        yield findings.warning(_PACKAGES, f"npm cannot list the packages: {error}")
        return
    for name, entry in section(cast("dict[str, Any]", listed), "dependencies").items():
        if not isinstance(entry, dict):
            continue
        found = cast("dict[str, Any]", entry)
        wanted = f"{name}@{found.get('required') or '*'}"
        if found.get("missing"):
            finding = findings.warning if name in development else findings.problem
            yield finding(_PACKAGES, f"package.json requires {wanted}, which is not installed.", "npm install")
        elif found.get("invalid"):
            text = f"package.json requires {name}, but {found.get('version')} is installed: {found['invalid']}"
            yield findings.warning(_PACKAGES, text, "npm install")


def _build(root: Path, package: dict[str, Any]) -> Iterator[Finding]:
    """Check that a TypeScript app is built and that the build is as new as its sources."""
    folder = output_folder(package)
    if not (root / "tsconfig.json").is_file() or folder is None or ".ts" in package["main"]:
        return
    output = root / folder
    remedy = "npm run build" if "build" in section(package, "scripts") else "npx tsc"
    built = _newest(output, (".js", ".mjs", ".cjs"))
    if built is None:
        yield findings.problem(_BUILD, f"The TypeScript app is not built: {output.name} has no files.", remedy)
        return
    source = _newest(root, (".ts", ".mts", ".cts"), leave_out=("node_modules", output.name))
    if source is not None and source[0] > built[0]:
        name = source[1].relative_to(root).as_posix()
        yield findings.warning(_BUILD, f"'{name}' is newer than the build in {output.name}.", remedy)
    else:
        yield findings.ok(_BUILD, f"{output.name} is as new as the sources")


def _newest(folder: Path, suffixes: tuple[str, ...], leave_out: tuple[str, ...] = ()) -> tuple[float, Path] | None:
    """The time and path of the file that changed last. Declarations (`.d.ts`) do not count."""
    if not folder.is_dir():
        return None
    newest: tuple[float, Path] | None = None
    pending = [folder]
    while pending:
        for path in pending.pop().iterdir():
            if path.is_dir():
                if path.name not in leave_out and not path.name.startswith(".") and not path.is_symlink():
                    pending.append(path)
            elif path.suffix in suffixes and not path.name.endswith(".d.ts"):
                newest = max(newest or (0.0, path), (path.stat().st_mtime, path))
    return newest


def _installed(root: Path, name: str) -> str | None:
    try:
        document: object = json.loads((root / "node_modules" / name / _APP).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return str(cast("dict[str, Any]", document).get("version", "")) if isinstance(document, dict) else None
