"""Keys in files: files that another user could have created are refused."""

import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from durable_host import private_files
from durable_host.web.keys import FileKeys, KeyRing, KeysUnavailable
from durable_host.web.keys.repository import folder_of_keys

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="users and modes are those of POSIX")
PLANTED = json.dumps({"masterKey": {"name": "master", "value": "planted", "encrypted": False}})


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileKeys:
    """Those of a host without a storage account."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return FileKeys(partial(folder_of_keys, "app"))


def _in_temporary_folder(tmp_path: Path) -> Path:
    return tmp_path / "temporary" / f"durable-host-{os.getuid()}" / "secrets" / "app"


async def test_keys_are_for_the_user_alone(keys: FileKeys, tmp_path: Path) -> None:
    master = (await KeyRing(keys, "i").host()).master
    place = _in_temporary_folder(tmp_path) / "host.json"
    assert master in place.read_text()
    assert place.stat().st_mode & 0o777 == 0o600
    for folder in (place.parent, place.parent.parent, place.parent.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def _others_may_write(folder: Path) -> None:
    folder.chmod(0o777)


def _is_a_link(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("tamper", [_others_may_write, _is_a_link])
async def test_a_master_key_in_a_folder_that_others_could_write_to_is_not_read(
    keys: FileKeys, tmp_path: Path, tamper: Callable[[Path], None], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    planted = _in_temporary_folder(tmp_path)
    planted.mkdir(parents=True)
    (planted / "host.json").write_text(PLANTED)
    tamper([planted, planted.parent, planted.parent.parent][level])
    master = (await KeyRing(keys, "i").host()).master
    assert master != "planted"
    assert master in (tmp_path / "state" / "durable-host" / "secrets" / "app" / "host.json").read_text()
    assert caplog.text.count("is not trusted") == 1


def _link(folder: Path) -> None:
    real = folder.parent / "elsewhere"
    real.mkdir(parents=True)
    (real / "host.json").write_text(PLANTED)
    folder.mkdir(parents=True)
    (folder / "host.json").symlink_to(real / "host.json")


def _link_of_folder(folder: Path) -> None:
    real = folder.parent / "elsewhere"
    real.mkdir(parents=True)
    (real / "host.json").write_text(PLANTED)
    folder.symlink_to(real)


def _writable_by_others(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "host.json").write_text(PLANTED)
    (folder / "host.json").chmod(0o666)


def _pipe(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / "host.json")


@pytest.mark.parametrize("plant", [_link, _link_of_folder, _writable_by_others, _pipe])
async def test_planted_keys_are_refused(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    folder = tmp_path / "secrets"
    plant(folder)
    with pytest.raises(KeysUnavailable):
        await FileKeys(folder).read("host")


async def test_files_and_folders_of_another_user_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = FileKeys(tmp_path / "secrets")
    await keys.write("host", {"a": 1})
    monkeypatch.setattr(private_files.os, "getuid", lambda: os.geteuid() + 1)
    with pytest.raises(KeysUnavailable, match="not trusted") as refused:
        await keys.read("host")
    assert "belongs to another user" in (refused.value.cause or "")
    with pytest.raises(KeysUnavailable, match="not trusted"):
        await keys.write("host", {"a": 2})
