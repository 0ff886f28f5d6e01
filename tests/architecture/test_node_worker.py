"""The JavaScript of the worker: every file parses, has a comment on what it is, and needs only Node.js itself."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from source_tree import ROOT

FILES = sorted((ROOT / "worker_node").glob("*.js"))
_REQUIRED = re.compile(r"""require\(\s*['"]([^'"]+)['"]\s*\)""")
_COMMENTS = re.compile(r"^ *(?://|/?\*).*$", re.MULTILINE)
_BUILT_IN = {
    "async_hooks", "child_process", "fs", "http", "inspector", "module", "net", "os", "path", "url", "util",
}  # fmt: skip
_ENTRY = "main.js"
_NEWER_THAN_ES5 = re.compile(r"=>|\b(?:const|let|class|async|await)\b|`|\?\.|\?\?")
PARSE = """
const wrong = {};
for (const file of process.argv.slice(1)) {
  try {
    new (require("vm").Script)(require("module").wrap(require("fs").readFileSync(file, "utf-8")), { filename: file });
  } catch (error) {
    wrong[file] = error.stack;
  }
}
console.log(JSON.stringify(wrong));
"""


@pytest.mark.process
def test_every_file_parses() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH")
    done = subprocess.run([node, "-e", PARSE, *FILES], capture_output=True, text=True, check=True)
    wrong = json.loads(done.stdout)
    assert wrong == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_says_what_it_is_and_needs_only_node(file: Path) -> None:
    text = file.read_text("utf-8")
    assert text.startswith("// ")
    assert "'use strict';" in text
    required = set(_REQUIRED.findall(_COMMENTS.sub("", text)))
    assert {name for name in required if not name.startswith("./")} <= _BUILT_IN
    assert max(map(len, text.splitlines())) <= 120


def test_the_entry_is_parsed_by_every_node() -> None:
    code = _COMMENTS.sub("", (ROOT / "worker_node" / _ENTRY).read_text("utf-8"))
    assert _NEWER_THAN_ES5.search(code) is None
