"""Renders template files."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template


class _ScriptTemplate(Template):
    """A template with placeholders `%%{name}`, because `${name}` has a meaning in JavaScript."""

    delimiter = "%%"


_REQUIRE_NAMES = re.compile(r"^const (\{.*\}) = require\('(.*)'\);$", re.MULTILINE)
_REQUIRE_ALL = re.compile(r"^const (\w+) = require\('(.*)'\);$", re.MULTILINE)


def read(name: str) -> str:
    """The raw text of a file in `cli/templates`, such as `project/host.json`."""
    return files("durable_host.cli").joinpath("templates", f"{name}.tmpl").read_text("utf-8")


def render(name: str, values: Mapping[str, str]) -> str:
    """The file with every `$key` replaced. Values are escaped for quoted strings in JSON and Python."""
    escaped = {key: json.dumps(value, ensure_ascii=False)[1:-1] for key, value in values.items()}
    return Template(read(name)).substitute(escaped)


def render_script(name: str, values: Mapping[str, str]) -> str:
    """A JavaScript or TypeScript file with every `%%{key}` replaced. Values are escaped for single quotes."""
    escaped = {key: json.dumps(value, ensure_ascii=False)[1:-1].replace("'", "\\'") for key, value in values.items()}
    return _ScriptTemplate(read(name)).substitute(escaped)


def as_typescript(text: str) -> str:
    """JavaScript with its `require` lines converted to TypeScript imports."""
    text = _REQUIRE_NAMES.sub(r"import \1 from '\2';", text)
    return _REQUIRE_ALL.sub(r"import * as \1 from '\2';", text)
