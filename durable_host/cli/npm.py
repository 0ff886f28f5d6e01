"""Runs `npm install` in a new app."""

import shutil
import subprocess
import sys
from pathlib import Path

import click

from durable_host.cli.colour import YELLOW, is_coloured, painted


def install(root: Path, *, skipped: bool) -> None:
    """Run `npm install`. A failure is only reported, because the app is complete and can be installed later."""
    if skipped:
        click.echo('You skipped "npm install". You must run "npm install" manually')
        return
    npm = shutil.which("npm")
    if npm is None:
        _warn('npm is not on PATH. Install Node.js (https://nodejs.org), then run "npm install" in the app.')
        return
    click.echo("Running 'npm install'...")
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=1"],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    click.echo(done.stdout.strip())
    if done.returncode:
        _warn('"npm install" failed. Run it again in the app.')


def _warn(text: str) -> None:
    click.echo(painted(text, YELLOW, is_coloured(sys.stdout)))
