"""What a version of the SDK's module may do with aiohttp while it is imported."""

import sys
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest

from durable_host.worker.late_aiohttp import LateAiohttp

NAME = "azure.durable_functions.models.utils.http_utils"


def executed(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module after it was imported in a process without aiohttp."""
    (folder / "http_utils.py").write_text(code, "utf-8")
    monkeypatch.delitem(sys.modules, "aiohttp")
    spec = LateAiohttp().find_spec(NAME, [str(folder)])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "code",
    [
        "from aiohttp import ClientTimeout\n",
        "import aiohttp\nClientTimeout = aiohttp.ClientTimeout\n",
    ],
)
def test_a_name_of_the_package_is_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    assert executed(tmp_path, code, monkeypatch).ClientTimeout is aiohttp.ClientTimeout


def test_a_call_of_the_package_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = executed(tmp_path, "import aiohttp\nTIMEOUT = aiohttp.ClientTimeout(total=240)\n", monkeypatch)
    assert aiohttp.ClientTimeout(total=240) == module.TIMEOUT


def test_a_subclass_has_the_base_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = executed(tmp_path, "import aiohttp\nclass Failed(aiohttp.ClientError):\n    pass\n", monkeypatch)
    assert issubclass(module.Failed, aiohttp.ClientError)


def test_annotations_do_not_import_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import aiohttp\nsession: aiohttp.ClientSession | None = None\n"
    module = executed(tmp_path, code, monkeypatch)
    assert "aiohttp" not in sys.modules
    assert module.aiohttp.ClientSession is aiohttp.ClientSession


def test_an_error_of_the_module_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        executed(tmp_path, "import aiohttp\n1 / 0\n", monkeypatch)
