"""The sample in samples/node-approvals by itself: what its messages mean, its types, and that it runs anywhere.

`tests/app/test_approvals.py` runs it through `func start`, with the tests of the sample in Python.
"""

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest
from approvals_world import NODE_SAMPLE, copy_node_sample
from npm_packages import NpmPackages

ID = "0f8fad5bd9cb469fa16570867728950e"
READ = """
const { readApprovalMessage } = require('./src/approvalMessage');
const results = JSON.parse(require('fs').readFileSync(0, 'utf8')).map((message) => {
    try {
        return readApprovalMessage(message);
    } catch (error) {
        return null;
    }
});
console.log(JSON.stringify(results));
"""
MESSAGES: list[tuple[object, object]] = [
    (ID, {"instanceId": ID, "decision": True}),
    (f"  {ID}\n", {"instanceId": ID, "decision": True}),
    (base64.b64encode(ID.encode()).decode(), {"instanceId": ID, "decision": True}),
    (json.dumps(ID), {"instanceId": ID, "decision": True}),
    ({"instanceId": ID}, {"instanceId": ID, "decision": {"approved": True}}),
    (
        {"instanceId": ID, "approved": False, "by": "me"},
        {"instanceId": ID, "decision": {"approved": False, "by": "me"}},
    ),
    (
        base64.b64encode(json.dumps({"instanceId": ID}).encode()).decode(),
        {"instanceId": ID, "decision": {"approved": True}},
    ),
    ("my-own-id:7", {"instanceId": "my-own-id:7", "decision": True}),
    *(
        (text, None)
        for text in ("", "  ", "a/b", "a?b", "a#b", "a\\b", "a\x00b", "{", {}, {"instanceId": 5}, "x" * 257)
    ),
    *((other, None) for other in (None, 5, True, [ID])),
]
"""What the library hands over (JSON is parsed already) → what the message means; None: it is refused."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, npm_packages: NpmPackages) -> Path:
    return copy_node_sample(tmp_path_factory.mktemp("sample") / "app", npm_packages)


def test_messages_name_the_instance_in_plain_text_json_or_base64(sample: Path) -> None:
    given = json.dumps([message for message, _ in MESSAGES])
    done = subprocess.run(["node", "-e", READ], cwd=sample, input=given, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [meaning for _, meaning in MESSAGES]


def test_types_of_the_comments_are_right(sample: Path) -> None:
    compiler = sample / "node_modules" / "typescript" / "bin" / "tsc"
    command = ["node", str(compiler), "--project", "jsconfig.json"]
    done = subprocess.run(command, cwd=sample, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_packages_of_the_sample_allow_those_that_the_tests_install(npm_packages: NpmPackages) -> None:
    wanted = json.loads((NODE_SAMPLE / "package.json").read_text())["dependencies"]
    for name, text in wanted.items():
        least = [int(part) for part in re.findall(r"\d+", text)]
        assert [int(part) for part in npm_packages.version(name).split(".")] >= least


def test_routes_are_those_of_the_sample_in_python() -> None:
    python = (NODE_SAMPLE.parents[1] / "functions" / "approvals.py").read_text("utf-8")
    javascript = (NODE_SAMPLE / "src" / "functions" / "approvals.js").read_text("utf-8")
    assert sorted(re.findall(r'route\(route="(.*?)"', python)) == sorted(re.findall(r"route: '(.*?)'", javascript))
    assert re.findall(r'queue_name="(.*?)"', python) == re.findall(r"queueName: '(.*?)'", javascript)
    names = set(re.findall(r"^(?:async )?def ([A-Z]\w+)\(", python, re.MULTILINE))
    assert names == set(re.findall(r"(?:app\.\w+|df\.app\.\w+)\('(\w+)'", javascript))
