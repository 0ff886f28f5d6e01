"""Test processes run without `openai-agents`, with a single certificate, and unit tests keep their files in memory."""

import os
import subprocess
import sys
from pathlib import Path

import fast_start
import pytest

IMPORT = "import azure.durable_functions, sys; assert 'agents' not in sys.modules, 'agents was imported'"


def test_the_sdk_is_imported_without_agents() -> None:
    exec(IMPORT)


@pytest.mark.process
def test_the_sdk_is_imported_without_agents_in_another_process(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", IMPORT], cwd=tmp_path, check=True)


@pytest.mark.process
def test_one_certificate_is_loaded_in_another_process() -> None:
    code = "import ssl; assert len(ssl.create_default_context().get_ca_certs()) == 1"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("enough", "is_kept"), [(1, True), (1 << 62, False)])
def test_files_are_kept_in_memory_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enough: int, is_kept: bool
) -> None:
    monkeypatch.setattr(fast_start, "_MEMORY", tmp_path)
    monkeypatch.setattr(fast_start, "_ENOUGH", enough)
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", "")
    monkeypatch.delenv("PYTEST_DEBUG_TEMPROOT")
    fast_start.keep_files_in_memory()
    assert (os.environ.get("PYTEST_DEBUG_TEMPROOT") == str(tmp_path)) is is_kept


def test_files_are_not_kept_in_memory_where_the_system_has_no_such_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_start, "_MEMORY", tmp_path / "nowhere")
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", "given")
    fast_start.keep_files_in_memory()
    assert os.environ["PYTEST_DEBUG_TEMPROOT"] == "given"
