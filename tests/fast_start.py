"""Keeps Python processes of the tests from importing and compiling what they do not need.

The durable SDK imports `openai-agents` wherever it is installed, which takes five times as long as the SDK itself. Most
apps do not have it. A module that raises ImportError stands in its place; with the settings `WITH_AGENTS` it does not.

Unit tests write their files to memory, where there is enough of it.

.NET compiles nothing twice: a second, better compilation of what is called often takes a quarter of the CPU time of
processes that run for seconds.

`aiohttp` loads the system's CA certificates when it is imported, in hosts and in workers of durable functions.
No test asks a server for its certificate, so they load one alone, whose key nobody has.
"""

import compileall
import os
import re
import shutil
import sys
from pathlib import Path

WITHOUT_AGENTS = str(Path(__file__).with_name("without_agents"))
WITH_AGENTS = {"PYTHONPATH": ""}

_MEMORY = Path("/dev/shm")
_ENOUGH = 1 << 30
_PRODUCT = Path(__file__).parents[1] / "durable_host"


def hide_agents() -> None:
    """Hide the package from this process and from those that it starts."""
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    if WITHOUT_AGENTS not in places:
        os.environ["PYTHONPATH"] = os.pathsep.join([WITHOUT_AGENTS, *places])
    if WITHOUT_AGENTS not in sys.path:
        sys.path.insert(0, WITHOUT_AGENTS)


def trust_nobody() -> None:
    """Load only the one certificate, in this process and in those that it starts."""
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("no_authority.pem"))


def compile_dotnet_once() -> None:
    """Keep .NET from compiling twice, in the processes that this one starts."""
    os.environ.setdefault("DOTNET_TC_CallCounting", "0")


def keep_files_in_memory() -> None:
    """Those in `tmp_path`, in this process and in those it starts: on a disk, many small databases take longer."""
    free = shutil.disk_usage(_MEMORY).free if os.access(_MEMORY, os.W_OK) else 0
    if free >= _ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def compile_product() -> None:
    """Compile the product once for all processes of a run. Templates are files that the product copies."""
    compileall.compile_dir(_PRODUCT, rx=re.compile(r"[\\/]templates[\\/]"), quiet=2)


sys.dont_write_bytecode = False  # in this process alone, even if PYTHONDONTWRITEBYTECODE is set
hide_agents()
trust_nobody()
compile_dotnet_once()
