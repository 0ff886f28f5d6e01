"""Turns a template's file into text."""

import json
from collections.abc import Mapping
from importlib.resources import files
from string import Template


def read(name: str) -> str:
    """The raw text of a file in `cli/templates`, such as `project/host.json`."""
    return files("durable_host.cli").joinpath("templates", f"{name}.tmpl").read_text("utf-8")


def render(name: str, values: Mapping[str, str]) -> str:
    """The file with every `$key` replaced. Values are escaped as they have to be within quotes (JSON and Python)."""
    escaped = {key: json.dumps(value, ensure_ascii=False)[1:-1] for key, value in values.items()}
    return Template(read(name)).substitute(escaped)
