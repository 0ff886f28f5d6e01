"""constraints.txt fixes what a clean clone installs; pyproject.toml says which majors are known to work."""

import re
from importlib.metadata import version

import pytest
import tomllib
from doc_pages import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REQUIREMENTS = [
    Requirement(text)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in group
]
LINES = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
CONSTRAINTS = [Requirement(line) for line in LINES]
LOCKED = {
    canonicalize_name(one.name): str(one.specifier).removeprefix("==")
    for one in CONSTRAINTS
    if one.marker is None or one.marker.evaluate()
}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_each_dependency_has_an_upper_bound_and_a_locked_version_within_it(requirement: Requirement) -> None:
    assert any(one.operator == "<" for one in requirement.specifier)
    if requirement.marker is None or requirement.marker.evaluate():
        assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)])


def test_the_lock_file_holds_versions_and_nothing_of_this_machine() -> None:
    pattern = r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; python_version (<|>=) '3\.13')?"
    assert [line for line in LINES if not re.fullmatch(pattern, line)] == []


def test_installing_takes_the_locked_versions() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert '--constraint constraints.txt --editable ".[dev]"' in makefile
    assert version("pytest") == LOCKED[canonicalize_name("pytest")]
