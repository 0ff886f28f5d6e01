"""`func pack`: writes the zip file of an app, without the files that `.funcignore` excludes.

Source: docs/protocol/functions-host-cli.md#packing
"""

import asyncio
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from durable_host.cli.app_folder import working_folder
from durable_host.cli.ignore_rules import IgnoreRules
from durable_host.cli.package_json import output_folder, read_package, section
from durable_host.cli.scaffold.languages import is_dotnet_app, is_node_app
from durable_host.config import project
from durable_host.config.dotnet_project import is_project_folder
from durable_host.errors import ConfigurationError, UsageError

IGNORE_FILE: Final = ".funcignore"
_NEVER: Final = (
    ".git/", ".venv/", "/venv/", "/env/", ".env", ".azurite/", "__pycache__/", "*.pyc", ".funcignore", ".gitignore",
    "local.settings.json", ".vscode/", ".pytest_cache/", ".ruff_cache/", ".mypy_cache/", "/.durable-host/",
)  # fmt: skip
"""Files that are always excluded; .funcignore adds to these rules."""
_MODULES: Final = "node_modules"
_MARK_OF_AN_ENVIRONMENT: Final = "pyvenv.cfg"


@click.command()
@click.argument("folder", required=False)
@click.option("-o", "--output", metavar="PATH", help="Zip file to write, or the folder to put it into.")
@click.option("--no-build", is_flag=True, help="Do not build the project of a .NET app; pack its newest build.")
@click.option("--build-native-deps", is_flag=True, help="Not supported: it needs a container image of Azure Functions.")
@click.pass_context
def pack(ctx: click.Context, folder: str | None, output: str | None, no_build: bool, build_native_deps: bool) -> None:
    """Create the zip file of the app in FOLDER (default: this folder), as it is deployed to Azure.

    Leaves out what .funcignore lists, and always virtual environments, caches, local.settings.json and .env. Packages
    of a Python app are not included: Azure installs requirements.txt if you deploy with a remote build. Those of a
    Node.js app are: its node_modules. The project of a .NET app is published first; the zip file contains the result.
    """
    if build_native_deps:
        raise UsageError(
            "--build-native-deps is not supported.",
            cause="It builds packages in a container image of Azure Functions.",
            remedy="Deploy with a remote build: Azure installs requirements.txt itself.",
        )
    root = project.find_root(working_folder(ctx) / (folder or "."))
    if is_dotnet_app(root):
        _pack_dotnet(root, _archive(root, output), no_build=no_build)
        return
    package = read_package(root)
    archive = _archive(root, output)
    count = write_archive(root, archive)
    click.echo(f"Created {archive} ({count} files).")
    if is_node_app(root):
        for sentence in node_notes(root, package):
            click.echo(sentence)
    elif not (root / ".python_packages").is_dir():
        click.echo("Packages are not in it: deploy with a remote build, which installs requirements.txt.")


def _pack_dotnet(root: Path, archive: Path, *, no_build: bool) -> None:
    """Pack the output of a build; that of a project after publishing it, unless `no_build`."""
    from durable_host.invocation.dotnet_build import DotnetBuild

    build = DotnetBuild(root, os.environ)
    with tempfile.TemporaryDirectory(prefix="durable-host-") as folder:
        source = root
        if is_project_folder(root):
            source = build.existing() if no_build else Path(folder)
            if not no_build:
                click.echo(f"Publishing {build.title} ...")
                asyncio.run(build.publish(source, lambda line: None))
        click.echo(f"Created {archive} ({write_archive(source, archive)} files).")


def node_notes(root: Path, package: Mapping[str, Any]) -> Iterator[str]:
    """Notes about the packages and the build in the archive of a Node.js app with this package.json."""
    names = {path.relative_to(root).as_posix() for path in packed_files(root)}

    def has(folder: str) -> bool:
        return any(name.startswith(f"{folder}/") for name in names)

    if not has(_MODULES):
        yield "Packages are not in it: run 'npm install' first, or deploy with a remote build, which does."
    development = [name for name in section(package, "devDependencies") if has(f"{_MODULES}/{name}")]
    if development:
        yield f"Development dependencies are in it: {', '.join(sorted(development))}."
        yield "To leave them out, run 'npm prune --omit=dev' before, and 'npm install' afterwards."
    if (root / _MODULES / ".pnpm").is_dir():
        yield "pnpm links packages, and a zip file has no links: run 'pnpm install --node-linker=hoisted' first."
    folder = output_folder(package)
    if (root / "tsconfig.json").is_file() and folder is not None and not has(folder):
        yield f"The app is TypeScript, and '{folder}' is not in it: run 'npm run build' first."


def write_archive(root: Path, archive: Path) -> int:
    """Write the zip file and return the number of files in it. Raises ConfigurationError."""
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}-")
    except OSError as error:
        raise _unwritable(archive, error) from error
    try:
        files = [
            path for path in packed_files(root) if path.resolve() not in (archive.resolve(), Path(temporary).resolve())
        ]
        with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
            for path in files:
                entry = zipfile.ZipInfo.from_file(path, path.relative_to(root).as_posix(), strict_timestamps=False)
                entry.compress_type = zipfile.ZIP_DEFLATED
                target.writestr(entry, path.read_bytes())
        os.chmod(temporary, 0o644)
        os.replace(temporary, archive)
    except OSError as error:
        raise _unwritable(archive, error) from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return len(files)


def packed_files(root: Path) -> list[Path]:
    """The files to deploy, sorted."""
    try:
        own = (root / IGNORE_FILE).read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        own = []
    always, rules = IgnoreRules(_NEVER), IgnoreRules(own)

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            name = path.relative_to(root).as_posix()
            is_folder = path.is_dir()
            if any(each.leaves_out(name, is_folder=is_folder) for each in (always, rules)):
                continue
            if is_folder and (not path.is_symlink() or _is_linked_package(path, root)):
                if not (path / _MARK_OF_AN_ENVIRONMENT).is_file():
                    yield from walk(path)
            elif path.is_file():
                yield path

    return list(walk(root))


def _is_linked_package(path: Path, root: Path) -> bool:
    """A folder of packages, or a package, that is a link: a zip file takes what is behind it."""
    parts = path.relative_to(root).parts
    return parts[0] == _MODULES and len(parts) <= 3


def _archive(root: Path, output: str | None) -> Path:
    if output is None:
        return Path.cwd() / f"{root.name}.zip"
    path = Path(output).absolute()
    return path if path.suffix == ".zip" and not path.is_dir() else path / f"{root.name}.zip"


def _unwritable(archive: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"'{archive}' cannot be written.", cause=str(error), code="DH1043")
