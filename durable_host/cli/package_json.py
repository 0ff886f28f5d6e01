"""The package.json of a Node.js app, as the commands read it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from durable_host.errors import ConfigurationError

FILE: Final = "package.json"


def read_package(root: Path) -> dict[str, Any]:
    """The document; empty if there is none, or it is not an object. Raises ConfigurationError if it cannot be read."""
    try:
        document: object = json.loads((root / FILE).read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"'{root / FILE}' cannot be read.", cause=str(error), code="DH1042") from error
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def section(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object, such as the dependencies; empty if it is missing or something else."""
    found: object = document.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def output_folder(document: Mapping[str, Any]) -> str | None:
    """The first folder that the entry points are in, such as dist; None if they are at the top."""
    main: object = document.get("main")
    if not isinstance(main, str):
        return None
    folder, slash, _ = main.removeprefix("./").partition("/")
    return folder if slash and not re.search(r"[*?\[{!]", folder) else None
