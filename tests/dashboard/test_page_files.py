"""The files of the dashboard's page: nothing builds markup from strings, nothing comes from the network."""

import json
import re
from pathlib import Path

import pytest
from npm_packages import SETS, NpmPackages

STATIC = Path(__file__).parents[2] / "durable_host" / "dashboard" / "static"
OWN = sorted(path for path in STATIC.rglob("*.js") if path.parent.name != "vendor")
NAMES = [path.relative_to(STATIC).as_posix() for path in OWN]

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|DOMParser|createContextualFragment"
    r"|srcdoc|\beval\(|new Function|setTimeout\(['\"`]|javascript:"
)
IMPORT = re.compile(r"""\bfrom '([^']+)';|\bimport\('([^']+)'\)""")
VENDORED = {
    "preact.js": ("preact", "dist/preact.mjs"),
    "hooks.js": ("preact", "hooks/dist/hooks.mjs"),
    "htm.js": ("htm", "dist/htm.mjs"),
    "preact.LICENSE": ("preact", "LICENSE"),
    "htm.LICENSE": ("htm", "LICENSE"),
}


@pytest.mark.parametrize("name", NAMES)
def test_no_module_makes_markup_or_code_from_text(name: str) -> None:
    assert not MARKUP.findall((STATIC / name).read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_each_module_imports_files_that_exist(name: str) -> None:
    path = STATIC / name
    for found in IMPORT.finditer(path.read_text("utf-8")):
        target = found[1] or found[2]
        assert target.startswith("."), target
        assert (path.parent / target).resolve().is_file(), target


@pytest.mark.parametrize("name", NAMES)
def test_each_module_says_what_it_is_for(name: str) -> None:
    assert (STATIC / name).read_text("utf-8").startswith("// ")


@pytest.mark.parametrize("name", NAMES)
def test_templates_have_no_style_attribute_as_text(name: str) -> None:
    """The content security policy refuses them. Styles are set through properties, which it allows."""
    assert not re.search(r"""\sstyle=["']""", (STATIC / name).read_text("utf-8"))


def test_shell_has_no_inline_script_or_style_and_loads_only_own_files() -> None:
    shell = (STATIC / "index.html").read_text("utf-8")
    assert re.findall(r"<script[^>]*></script>", shell) == re.findall(r"<script.*", shell)
    assert "<style" not in shell
    assert " style=" not in shell
    for target in re.findall(r"""(?:src|href)="([^"]+)\"""", shell):
        assert target.startswith("/_df/assets/"), target
        assert (STATIC / target.removeprefix("/_df/assets/")).is_file(), target


def test_shell_preloads_what_the_first_view_needs() -> None:
    """So that the browser fetches these modules at once, and not as it finds one in the other."""
    needed: set[str] = set()

    def follow(path: Path) -> None:
        for found in re.finditer(r"\bfrom '([^']+)';", path.read_text("utf-8")):
            target = (path.parent / found[1]).resolve()
            name = target.relative_to(STATIC).as_posix()
            if name not in needed:
                needed.add(name)
                follow(target)

    follow(STATIC / "app.js")
    shell = (STATIC / "index.html").read_text("utf-8")
    assert re.findall(r'<link rel="modulepreload" href="/_df/assets/([^"]+)">', shell) == sorted(needed)


@pytest.mark.parametrize("path", sorted(STATIC.rglob("*.css")), ids=lambda path: path.name)
def test_style_sheets_load_nothing(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "url(" not in text
    assert "@import" not in text


def test_both_places_of_the_dark_colors_agree() -> None:
    text = (STATIC / "styles" / "tokens.css").read_text("utf-8")
    chosen = text.split(':root[data-theme="dark"] {')[1].split("}")[0]
    of_system = text.split(':root:not([data-theme="light"]) {')[1].split("}")[0]
    assert chosen.split() == of_system.split()


def test_readme_names_the_versions_of_the_vendored_packages() -> None:
    wanted = json.loads((SETS / "dashboard" / "package.json").read_text("utf-8"))["dependencies"]
    readme = (STATIC / "README.md").read_text("utf-8")
    for name, (package, file) in VENDORED.items():
        if name.endswith(".js"):
            assert re.search(rf"`vendor/{re.escape(name)}` .*`{re.escape(file)}` \| {wanted[package]} \|", readme), name


@pytest.mark.process
def test_vendored_files_are_those_of_the_packages(npm_packages: NpmPackages) -> None:
    modules = npm_packages.modules("dashboard")
    for name, (package, file) in VENDORED.items():
        original = (modules / package / file).read_text("utf-8")
        expected = re.sub(r"^//# sourceMappingURL.*\n", "", original, flags=re.MULTILINE)
        assert (STATIC / "vendor" / name).read_text("utf-8") == expected.replace('from"preact"', 'from"./preact.js"'), (
            name
        )
