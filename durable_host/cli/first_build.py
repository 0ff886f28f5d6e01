"""Builds the project of a .NET app before `func start` runs it."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from durable_host.config import HostConfig, StartOptions, dotnet_project
from durable_host.config.start_options import AppBuild, Report
from durable_host.config.worker_runtime import DOTNET


def is_to_build(config: HostConfig) -> bool:
    """Whether the app is a project that has to be built, and not the output of a build."""
    return config.runtime == DOTNET and dotnet_project.is_project_folder(config.root)


def with_build(config: HostConfig, options: StartOptions, *, no_build: bool) -> StartOptions:
    """The options with the folder that the worker loads the app from; if it is a project, after building it.

    `no_build` takes the newest output that exists. Raises AppError, and KeyboardInterrupt if a signal ends the build.
    """
    if not is_to_build(config):
        return options
    from durable_host.invocation.dotnet_build import DotnetBuild

    build = DotnetBuild(config.root, os.environ)
    if no_build:
        return msgspec.structs.replace(options, script_root=build.existing())
    began = time.monotonic()
    with options.presenter.working(f"Building {build.title}") as report:
        try:
            script_root = asyncio.run(_interruptible(build, report))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    options.presenter.progress(f"Built {build.title} in {time.monotonic() - began:.1f} s.")
    return msgspec.structs.replace(options, script_root=script_root, build=build)


async def _interruptible(build: AppBuild, report: Report) -> Path:
    """Run the build, and end it on SIGTERM as on Ctrl+C."""
    task = asyncio.current_task()
    assert task is not None
    if sys.platform != "win32":
        with suppress(ValueError, RuntimeError):  # not in the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await build.run(report)
