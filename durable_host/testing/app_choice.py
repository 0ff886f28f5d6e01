"""Which app a test is about: mark, option, ini file, or the nearest folder with host.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from durable_host.errors import ConfigurationError
from durable_host.testing.indexed_app import app_folder

__tracebackhide__ = True

_MARK = "function_app"
_OPTIONS = ("root", "settings", "python", "real_accounts")


class AppChoice(msgspec.Struct, frozen=True, kw_only=True):
    """An app and the settings for its tests. `real_accounts` are settings whose accounts a live app may use."""

    root: Path
    settings: tuple[tuple[str, str], ...] = ()
    python: Path | None = None
    real_accounts: tuple[str, ...] = ()


def app_choice(test: pytest.Item) -> AppChoice:
    """The app of a test.

    Raises ConfigurationError if there is none at or above its file, or if a mark or the ini file is not valid.
    """
    config, given = test.config, _of_marks(test)
    option: str | None = config.getoption("--function-app")
    here = test.path.parent
    if given.get("root") is not None:
        root = here / given["root"]
    elif option is not None:
        root = config.invocation_params.dir / option
    elif ini := config.getini("durable_host_app"):
        root = _base(config) / ini
    else:
        root = here
    accounts = given.get("real_accounts")
    if isinstance(accounts, str):
        raise ConfigurationError(
            f"The mark {_MARK} of this test is not valid: real_accounts is a string.",
            remedy=f'Write a list of names: real_accounts=["{accounts}"].',
        )
    python = given.get("python") or config.getini("durable_host_python") or None
    settings = _settings(config.getini("durable_host_settings")) | dict(given.get("settings") or {})
    return AppChoice(
        root=app_folder(root),
        settings=tuple(sorted(settings.items())),
        python=None if python is None else _base(config) / Path(python).expanduser(),
        real_accounts=tuple(config.getini("durable_host_real_accounts") if accounts is None else accounts),
    )


def _base(config: pytest.Config) -> Path:
    """The folder to which paths in the ini file are relative."""
    return config.inipath.parent if config.inipath is not None else config.rootpath


def _of_marks(node: Any) -> Mapping[str, Any]:
    """The arguments of the marks of a test; those nearest to it win. Raises ConfigurationError."""
    given: dict[str, Any] = {}
    for mark in node.iter_markers(_MARK):
        unknown = [*map(repr, mark.args[len(_OPTIONS) :]), *(name for name in mark.kwargs if name not in _OPTIONS)]
        if unknown:
            raise ConfigurationError(
                f"The mark {_MARK} of this test is not valid: it takes no {', '.join(unknown)}.",
                remedy=f"Its arguments are {', '.join(_OPTIONS)}.",
            )
        named = dict(zip(_OPTIONS, mark.args, strict=False)) | mark.kwargs
        given = named | given
    return given


def _settings(lines: list[str]) -> dict[str, str]:
    """Raises ConfigurationError for a line that sets nothing."""
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals:
            raise ConfigurationError(
                f"The line '{line}' of 'durable_host_settings' in the ini file sets nothing.",
                remedy="Write one NAME=value per line.",
            )
        found[name.strip()] = value.strip()
    return found
