"""Apps with one function of each durable template of `func new`."""

import os
from pathlib import Path

from node_apps import compile_typescript
from npm_packages import NpmPackages

from durable_host.cli import main

NODE = ("javascript", "typescript")
QUEUE = "template-decisions"
TEMPLATES = {
    "orchestrator": "Work",
    "activity": "Act",
    "entity": "Counter",
    "starter": "Begin",
    "chaining": "Chain",
    "fan-out": "FanOut",
    "approval": "Approval",
    "monitor": "Watch",
    "aggregator": "Total",
}
OPTIONS = {"starter": (), "approval": ("--queue-name", QUEUE)}


def write_template_app(folder: Path, language: str, packages: NpmPackages | None = None) -> Path:
    """Write an app in python, javascript or typescript. Those for Node.js get these packages."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert main(["init", f"--{language}", *(("--skip-npm-install",) if language in NODE else ())]) == 0
        for template, name in TEMPLATES.items():
            more = () if template in ("orchestrator", "activity", "entity") else ("-a", "anonymous")
            assert main(["new", "-t", template, "-n", name, *more, *OPTIONS.get(template, ())]) == 0
    finally:
        os.chdir(before)
    if packages is not None:
        packages.link(folder)
    if language == "typescript":
        compile_typescript(folder)
    return folder
