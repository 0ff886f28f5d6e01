"""The files of a new Node.js app, as name → text. Pure functions; the command writes the files.

Source: docs/protocol/functions-host-cli.md#initialize-an-app
"""

from typing import Final

from durable_host.cli.scaffold import rendering
from durable_host.cli.scaffold.languages import Language
from durable_host.cli.scaffold.project_files import host_json, indented_json, local_settings
from durable_host.config.worker_runtime import NODE

FUNCTIONS_FOLDER: Final = "src/functions"
_TYPES_OF_NODE: Final = "^20.0.0"


def node_project_files(language: Language, *, bundle_channel: str | None) -> dict[str, str]:
    """Path → text, in the order in which they are written. `bundle_channel` None leaves the bundle out."""
    setup = rendering.read("node_project/index.js")
    files = {"package.json": indented_json(_package(language))}
    if language == "typescript":
        files["tsconfig.json"] = rendering.read("node_project/tsconfig.json")
        files["src/index.ts"] = rendering.as_typescript(setup)
    else:
        files["src/index.js"] = setup
    files[f"{FUNCTIONS_FOLDER}/.gitkeep"] = ""
    files[".funcignore"] = rendering.read("node_project/funcignore")
    files[".gitignore"] = rendering.read("node_project/gitignore")
    files["host.json"] = indented_json(host_json(bundle_channel))
    files["local.settings.json"] = indented_json(local_settings(NODE))
    files[".vscode/extensions.json"] = rendering.read("node_project/extensions.json")
    return files


def node_docker_files(language: Language, node_version: str) -> dict[str, str]:
    """Dockerfile and .dockerignore for an image with this Node.js version (`20`)."""
    return {
        "Dockerfile": rendering.render(f"node_project/Dockerfile.{language}", {"node": node_version}),
        ".dockerignore": rendering.read("node_project/dockerignore"),
    }


def _package(language: Language) -> dict[str, object]:
    scripts = {"start": "func start", "test": 'echo "No tests yet..."'}
    development: dict[str, str] = {}
    folder = "src"
    if language == "typescript":
        folder = "dist/src"
        build = {
            "build": "tsc",
            "watch": "tsc -w",
            "clean": "rimraf dist",
            "prestart": "npm run clean && npm run build",
        }
        scripts = build | scripts
        development = {"@types/node": _TYPES_OF_NODE, "rimraf": "^5.0.0", "typescript": "^5.0.0"}
    return {
        "name": "",
        "version": "1.0.0",
        "description": "",
        "main": f"{folder}/{{index.js,functions/*.js}}",
        "scripts": scripts,
        "dependencies": {"@azure/functions": "^4.0.0"},
        "devDependencies": development,
    }
