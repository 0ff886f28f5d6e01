"""Other engines for durable workflows, in a separate environment that the benchmark creates."""

import asyncio
import json
import sys
from pathlib import Path

from bench.durable_environments import run_quietly
from bench.running_host import free_port

PACKAGES = ("durabletask==1.12.0", "grpcio", "dbos==3.4.0")
PROGRAMS = Path(__file__).parent / "peer_programs"
LIMIT = 150.0
"""Seconds for all scenarios of one peer."""


def environment(cache: Path) -> Path:
    """The interpreter of the peers, installed once. Raises RuntimeError with the reason if that fails."""
    folder = cache / "peers"
    python = folder / "bin" / "python"
    done = folder / "installed.txt"
    if not done.exists() or done.read_text(encoding="utf-8").split() != list(PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        run_quietly(sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
        run_quietly(
            sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--disable-pip-version-check",
            *PACKAGES,
        )  # fmt: skip
        done.write_text("\n".join(PACKAGES), encoding="utf-8")
    return python


async def measure(python: Path, program: str, folder: Path, sizes: dict[str, int]) -> dict[str, float]:
    """Run a program of `peer_programs` and return its figures. `sizes` says how much of each scenario to run."""
    arguments = [str(PROGRAMS / f"{program}.py"), json.dumps(sizes), str(folder), str(free_port())]
    process = await asyncio.create_subprocess_exec(
        str(python), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LIMIT):
            output, errors = await process.communicate()
    except TimeoutError:
        raise RuntimeError(f"{program} was not ready within {LIMIT:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"{program} ended with {process.returncode}:\n{errors.decode(errors='replace')[-2000:]}")
    return json.loads(output.decode().splitlines()[-1])
