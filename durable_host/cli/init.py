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

from durable_host.cli import npm, questions
from durable_host.cli.app_folder import app_root, working_folder
from durable_host.cli.atomic_write import write_atomically
from durable_host.cli.colour import YELLOW, is_coloured, painted
from durable_host.cli.scaffold.dotnet_files import (
    DEFAULT_TARGET,
    dotnet_docker_files,
    dotnet_project_files,
    project_name,
    target_framework,
)
from durable_host.cli.scaffold.languages import (
    SUPPORTED,
    Language,
    app_language,
    complete_language,
    complete_runtime,
    language,
    runtime_name,
)
from durable_host.cli.scaffold.node_project import node_docker_files, node_project_files
from durable_host.cli.scaffold.project_files import CHANNELS, docker_files, python_project_files
from durable_host.cli.scaffold.template_catalog import Model
from durable_host.config.dotnet_project import project_files
from durable_host.config.worker_runtime import DOTNET, DOTNET_NAMES, NODE
from durable_host.errors import ConfigurationError, UsageError

_MODELS: Final = {"python": ("V1", "V2"), NODE: ("V4",), DOTNET: ("isolated",)}
_APPS: Final[tuple[tuple[Language, Model, str], ...]] = (
    ("python", "V2", "Python, V2: decorators in function_app.py (recommended)"),
    ("python", "V1", "Python, V1: a folder with a function.json per function"),
    ("javascript", "V4", "JavaScript, for Node.js"),
    ("typescript", "V4", "TypeScript, for Node.js"),
    ("csharp", "isolated", "C#, for .NET, in the isolated worker model"),
)
"""The choices of the prompt when no option names the language: language, programming model, text."""
_NODE_IMAGE: Final = "22"
_TITLES: Final = {"python": "Python", NODE: "Node.js", DOTNET: ".NET"}
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
@click.option(
    "--worker-runtime",
    metavar="NAME",
    shell_complete=complete_runtime,
    help="Worker runtime of the app: python, node or dotnet-isolated.",
)
@click.option("--python", "is_python", is_flag=True, help="Same as --worker-runtime python.")
@click.option("--node", "is_node", is_flag=True, help="Same as --worker-runtime node.")
@click.option("--javascript", "is_javascript", is_flag=True, help="A Node.js app in JavaScript.")
@click.option("--typescript", "is_typescript", is_flag=True, help="A Node.js app in TypeScript.")
@click.option("--csharp", "is_csharp", is_flag=True, help="A .NET isolated app in C#.")
@click.option(
    "-l",
    "--language",
    metavar="NAME",
    shell_complete=complete_language,
    help="Language of a Node.js app: javascript or typescript.",
)
@click.option(
    "--target-framework", metavar="NAME", help=f"Version of .NET: net8.0 or later (default: {DEFAULT_TARGET})."
)
@click.option(
    "-m",
    "--model",
    metavar="V1|V2|V4",
    help="Programming model: V2 (decorators) or V1 (function.json); V4 for Node.js.",
)
@click.option("--docker", is_flag=True, help="Write a Dockerfile too.")
@click.option("--docker-only", is_flag=True, help="Write only a Dockerfile, into an existing app.")
@click.option("--source-control", is_flag=True, help="Initialize a git repository in the folder.")
@click.option("--skip-npm-install", is_flag=True, help="Do not run 'npm install' in a new Node.js app.")
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
      func init --worker-runtime node --language typescript
      func init my-app --worker-runtime dotnet-isolated
      func init --docker-only
    """
    _check_profile(given)
    if given["docker_only"]:
        root = app_root(ctx)
        _write(root, _docker_files(root, app_language(root), target_framework(given["target_framework"])))
        return
    wanted = _wanted(given)
    if wanted is None:
        given |= _wizard(given)
        wanted = cast("Language", given["language"])
    model = _model(given["model"], wanted)
    root = (working_folder(ctx) / (folder or ".")).resolve()
    if root.exists() and not root.is_dir():
        raise UsageError(f"'{root}' is a file, not a folder.")
    if given["target_framework"] and wanted != "csharp":
        raise UsageError("--target-framework is for .NET apps.", remedy="func init --worker-runtime dotnet-isolated")
    target = target_framework(given["target_framework"])
    channel = None if given["no_bundle"] else given["bundles_channel"]
    docker = _docker_files(root, wanted, target) if given["docker"] else {}
    if wanted == "python":
        _say_news(model)
        _write(root, python_project_files(model, bundle_channel=channel, docs=not given["no_docs"]) | docker)
    elif wanted == "csharp":
        _write(root, dotnet_project_files(_project_of(root), target) | docker)
    else:
        _write(root, node_project_files(wanted, bundle_channel=channel) | docker)
    if given["source_control"]:
        _make_repository(root)
    if wanted in ("javascript", "typescript"):
        npm.install(root, skipped=given["skip_npm_install"])


def _wanted(given: Mapping[str, Any]) -> Language | None:
    """The language in the options, or None. Raises UsageError if two options contradict each other."""
    names: list[Language] = []
    runtime: str | None = given["worker_runtime"]
    if runtime is not None:
        names.append(_language_of_runtime(runtime))
    flags: tuple[tuple[str, Language], ...] = (
        ("is_python", "python"),
        ("is_node", "javascript"),
        ("is_javascript", "javascript"),
        ("is_typescript", "typescript"),
        ("is_csharp", "csharp"),
    )
    for flag, name in flags:
        if given[flag]:
            names.append(name)
    if given["language"]:
        names.append(language(given["language"]))
    runtimes = {runtime_name(name) for name in names}
    if len(runtimes) > 1:
        titles = " and ".join(_TITLES[name] for name in _TITLES if name in runtimes)
        raise UsageError(f"The options name both {titles}.", remedy="func init --worker-runtime node")
    if "typescript" in names:
        return "typescript"
    says_javascript = given["is_javascript"] or given["language"] or (runtime or NODE).lower() != NODE
    if names and names[0] == "javascript" and not says_javascript and questions.is_interactive():
        known: tuple[Language, ...] = ("javascript", "typescript")
        return known[questions.choose("Language", known)]
    return names[0] if names else None


def _language_of_runtime(runtime: str) -> Language:
    if runtime.lower() == NODE:
        return "javascript"
    if runtime.lower() in DOTNET_NAMES:
        return "csharp"
    if runtime.lower() == "dotnet":
        raise UsageError(
            f"Worker runtime '{runtime}' is not supported: it is the in-process model of .NET.",
            remedy="func init --worker-runtime dotnet-isolated",
        )
    try:
        return language(runtime)
    except UsageError:
        raise UsageError(
            f"Worker runtime '{runtime}' is not supported: this program runs apps written in {SUPPORTED}.",
            remedy="func init --worker-runtime python, --worker-runtime node, or --worker-runtime dotnet-isolated",
        ) from None


def _model(text: str | None, wanted: Language) -> Model:
    runtime = runtime_name(wanted)
    known = _MODELS[runtime]
    model = next((one for one in known if one.upper() == (text or known[-1]).upper()), None)
    if model is None:
        supported = "\n".join(known)
        raise UsageError(
            f"The {text} programming model is not supported for worker runtime {runtime}. Supported programming models "
            f"for worker runtime {runtime} are:\n{supported}"
        )
    return cast("Model", model)


def _check_profile(given: Mapping[str, Any]) -> None:
    if given["configuration_profile"]:
        raise UsageError(
            f"The configuration profile '{given['configuration_profile']}' is for custom handlers, which are not "
            "supported."
        )


def _wizard(given: Mapping[str, Any]) -> dict[str, Any]:
    if not questions.is_interactive():
        raise UsageError(
            "Running with stdin\\stdout redirected. Command must specify --worker-runtime, or --python, explicitly.",
            remedy="func init --python, or func init --worker-runtime node",
        )
    answers: dict[str, Any] = {}
    model: str | None = given["model"]
    known = [one for one in _APPS if model is None or one[1].upper() == model.upper()]
    if not known:
        known = [one for one in _APPS if one[0] == "python"]
    chosen = questions.choose("Language", [label for _, _, label in known]) if len(known) > 1 else 0
    answers["language"], answers["model"] = known[chosen][0], model or known[chosen][1]
    if not given["docker"]:
        answers["docker"] = click.confirm("Write a Dockerfile?", default=False)
    if not given["source_control"]:
        answers["source_control"] = click.confirm("Initialize a git repository?", default=False)
    return answers


def _say_news(model: Model) -> None:
    click.echo(_NEWS_V2 if model == "V2" else _NEWS_V1)
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        _warn(
            f"Azure Functions does not run Python {_running()}. "
            "Create the app's virtual environment with Python 3.10 to 3.14."
        )


def _docker_files(root: Path, wanted: Language, target: str) -> dict[str, str]:
    if wanted == "csharp":
        return dotnet_docker_files(_project_of(root), target)
    return docker_files(_python_version()) if wanted == "python" else node_docker_files(wanted, _NODE_IMAGE)


def _project_of(root: Path) -> str:
    """The name of the project in a folder, or the one for a new project there."""
    existing = project_files(root)
    return existing[0].stem if existing else project_name(root.name)


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
    """The Python version of the image: the one that runs this program, if Azure has an image for it."""
    version = min(max(sys.version_info[:2], _OLDEST), _NEWEST)
    return f"{version[0]}.{version[1]}"


def _running() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _warn(text: str) -> None:
    click.echo(painted(text, YELLOW, is_coloured(sys.stdout)))
