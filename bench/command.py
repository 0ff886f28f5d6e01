"""Runs a command of this folder until it ends or is interrupted."""

import sys
from collections.abc import Callable


def run_command(main: Callable[[], int | None]) -> None:
    """Exit with what `main` returns. Ctrl+C ends it without a traceback, after it has stopped its processes."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped before the end.", file=sys.stderr)
        sys.exit(130)
