"""Which files `main` of package.json names: the grammar of globby, which Azure's worker uses."""

import json
import subprocess
from pathlib import Path

import pytest

import durable_host.worker_node

FILES = [
    "index.js", "a.ts", ".hidden.js", "src/a.js", "src/b.mjs", "src/.c.js", "src/functions/one.js",
    "src/functions/two.js", "src/functions/deep/er/x.js", "src/functions/Three.JS", "dist/src/index.js",
    "dist/src/functions/f.js", "node_modules/p/index.js", "odd[1].js", "src/functions/notes.txt",
]  # fmt: skip
PATTERNS: dict[str, list[str]] = {
    "index.js": ["index.js"],
    "./index.js": ["index.js"],
    "src/../index.js": ["index.js"],
    "src/index": [],
    "src/functions/*.js": ["src/functions/one.js", "src/functions/two.js"],
    "src/functions/*": [
        "src/functions/Three.JS", "src/functions/notes.txt", "src/functions/one.js", "src/functions/two.js",
    ],
    "src/functions": [
        "src/functions/Three.JS", "src/functions/notes.txt", "src/functions/one.js", "src/functions/two.js",
        "src/functions/deep/er/x.js",
    ],
    "src/**/*.js": ["src/a.js", "src/functions/one.js", "src/functions/two.js", "src/functions/deep/er/x.js"],
    "src/functions/**/x.js": ["src/functions/deep/er/x.js"],
    "dist/src/{index.js,functions/*.js}": ["dist/src/index.js", "dist/src/functions/f.js"],
    "src/{a,b}.{js,mjs}": ["src/a.js", "src/b.mjs"],
    "src/functions/t?o.js": ["src/functions/two.js"],
    "src/functions/[ot]*.js": ["src/functions/one.js", "src/functions/two.js"],
    "src/functions/[!o]*.js": ["src/functions/two.js"],
    "src/functions/!(two).js": ["src/functions/one.js"],
    "src/functions/@(one|two).js": ["src/functions/one.js", "src/functions/two.js"],
    "src/functions/+(o|n|e).js": ["src/functions/one.js"],
    "SRC/a.js": [],
    "*.js": ["index.js", "odd[1].js"],
    "odd\\[1\\].js": ["odd[1].js"],
    "**/index.js": ["index.js", "dist/src/index.js", "node_modules/p/index.js"],
    "!index.js": [],
    "": [],
    "nothing/*.js": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each pattern gives, asked of one process."""
    root = tmp_path_factory.mktemp("app")
    for name in FILES:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    module = Path(durable_host.worker_node.__file__).with_name("glob.js")
    code = (
        f"const {{ expand }} = require({json.dumps(str(module))});"
        f"const patterns = {json.dumps([*PATTERNS, str(root / 'src' / '*.mjs')])};"
        "console.log(JSON.stringify(patterns.map((one) => [one, expand(one, process.cwd())])));"
    )
    done = subprocess.run(["node", "-e", code], cwd=root, capture_output=True, text=True, check=True)
    return {
        pattern.replace(f"{root}/", "/root/"): [str(Path(file).relative_to(root)) for file in files]
        for pattern, files in json.loads(done.stdout)
    }


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_names_files(found: dict[str, list[str]], pattern: str) -> None:
    assert found[pattern] == PATTERNS[pattern]


def test_an_absolute_pattern_names_files(found: dict[str, list[str]]) -> None:
    assert found["/root/src/*.mjs"] == ["src/b.mjs"]
