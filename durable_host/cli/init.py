"""`func init`: the files of a new app.

Source: docs/protocol/functions-host-cli.md#initialize-an-app
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import click

from durable_host.cli import questions
from durable_host.cli.app_folder import app_root, working_folder
from durable_host.cli.atomic_write import write_atomically
from durable_host.cli.colour import YELLOW, is_coloured, painted
from durable_host.cli.scaffold.project_files import CHANNELS, docker_files, project_files
from durable_host.cli.scaffold.template_catalog import Model
from durable_host.errors import ConfigurationError, UsageError

_MODELS: Final = ("V1", "V2")
_NEWS_V2: Final = (
    "The new Python programming model is generally available. Learn more at https://aka.ms/pythonprogrammingmodel"
)
_NEWS_V1: Final = (
    "Did you know? There is a new Python programming model in general availability: fewer files, and decorators "
    "instead of function.json. Learn more at https://aka.ms/pythonprogrammingmodel"
)
_OLDEST, _NEWEST = (3, 10), (3, 14)


@click.command()
@click.argument("folder", required=False)
@click.option("--worker-runtime", metavar="NAME", help="Language of the app; only python is supported.")
@click.option("--python", "is_python", is_flag=True, help="Same as --worker-runtime python.")
@click.option("-m", "--model", metavar="V1|V2", help="Programming model: decorators (V2) or function.json (V1).")
@click.option("--docker", is_flag=True, help="Write a Dockerfile too.")
@click.option("--docker-only", is_flag=True, help="Write only a Dockerfile, into an existing app.")
@click.option("--source-control", is_flag=True, help="Initialize a git repository in the folder.")
@click.option("--no-docs", is_flag=True, help="Do not write getting_started.md (V1).")
@click.option("--no-bundle", is_flag=True, help="Do not add the extension bundle to host.json.")
@click.option(
    "-c",
    "--bundles-channel",
    type=click.Choice(list(CHANNELS), case_sensitive=False),
    default="GA",
    help="Channel of the extension bundle that Azure uses.",
)
@click.option("--force", is_flag=True, help="Accepted, but has no effect: existing files are always kept.")
@click.option("--configuration-profile", metavar="NAME", help="Not supported: it is for custom handlers.")
@click.pass_context
def init(ctx: click.Context, folder: str | None, **given: Any) -> None:
    """Create a new function app in FOLDER (default: this folder). Existing files are kept.

    \b
    Examples:
      func init my-app --python
      func init --python --model V1
      func init --docker-only
    """
    _check(given)
    if given["docker_only"]:
        root = app_root(ctx)
        _write(root, docker_files(_python_version()))
        return
    if not given["is_python"] and not given["worker_runtime"]:
        given |= _wizard(given)
    root = (working_folder(ctx) / (folder or ".")).resolve()
    if root.exists() and not root.is_dir():
        raise UsageError(f"'{root}' is a file, not a folder.")
    model = cast("Model", (given["model"] or "V2").upper())
    click.echo(_NEWS_V2 if model == "V2" else _NEWS_V1)
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        _warn(
            f"Python {_running()} is not among the versions that Azure Functions runs (3.10 to 3.14); "
            "make the app's virtual environment with one of those."
        )
    channel = None if given["no_bundle"] else given["bundles_channel"]
    files = project_files(model, bundle_channel=channel, docs=not given["no_docs"])
    _write(root, files | (docker_files(_python_version()) if given["docker"] else {}))
    if given["source_control"]:
        _make_repository(root)


def _check(given: Mapping[str, Any]) -> None:
    runtime: str = given["worker_runtime"] or "python"
    if runtime.lower() != "python":
        raise UsageError(
            f"Worker runtime '{runtime}' is not supported: this program runs apps written in Python.",
            remedy="func init --worker-runtime python",
        )
    model: str = given["model"] or "V2"
    if model.upper() not in _MODELS:
        supported = "\n".join(_MODELS)
        raise UsageError(
            f"The {model} programming model is not supported for worker runtime python. Supported programming models "
            f"for worker runtime python are:\n{supported}"
        )
    if given["configuration_profile"]:
        raise UsageError(
            f"The configuration profile '{given['configuration_profile']}' is for custom handlers, which are not "
            "supported."
        )


def _wizard(given: Mapping[str, Any]) -> dict[str, Any]:
    if not questions.is_interactive():
        raise UsageError(
            "Running with stdin\\stdout redirected. Command must specify --worker-runtime, or --python, explicitly.",
            remedy="func init --python",
        )
    answers: dict[str, Any] = {"worker_runtime": "python"}
    if given["model"] is None:
        models = ["V2: decorators in function_app.py (recommended)", "V1: a folder with a function.json per function"]
        answers["model"] = ("V2", "V1")[questions.choose("Programming model", models)]
    if not given["docker"]:
        answers["docker"] = click.confirm("Write a Dockerfile?", default=False)
    if not given["source_control"]:
        answers["source_control"] = click.confirm("Initialize a git repository?", default=False)
    return answers


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        if path.exists():
            _warn(f"{name} already exists. Skipped!")
            continue
        click.echo(f"Writing {path if '/' in name else name}")
        try:
            write_atomically(path, text, new_mode=0o600 if name == "local.settings.json" else 0o666)
        except OSError as error:
            raise ConfigurationError(f"'{path}' cannot be written.", cause=str(error), code="DH1043") from error


def _make_repository(root: Path) -> None:
    git = shutil.which("git")
    if git is None:
        _warn("git is not installed, so no repository was initialized.")
        return
    inside = subprocess.run([git, "rev-parse", "--git-dir"], cwd=root, capture_output=True, check=False)
    if inside.returncode == 0:
        click.echo("Directory already a git repository.")
        return
    made = subprocess.run([git, "init"], cwd=root, capture_output=True, text=True, check=False)
    click.echo((made.stdout or made.stderr).strip())


def _python_version() -> str:
    """The Python version of the image: this one, if Azure has an image for it."""
    version = min(max(sys.version_info[:2], _OLDEST), _NEWEST)
    return f"{version[0]}.{version[1]}"


def _running() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _warn(text: str) -> None:
    click.echo(painted(text, YELLOW, is_coloured(sys.stdout)))
