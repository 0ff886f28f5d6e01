"""The standard streams: replaces those that were closed when the program started (`<&-`, `2>&-`)."""

import os
import sys
from contextlib import suppress
from typing import Final, TextIO

_STREAMS: Final = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def complete() -> None:
    """Open missing standard streams (stdin, stdout, stderr) on the null device.

    Otherwise the next pipe or socket would get the file descriptor of the missing stream: a child would use it as its
    stdin, and uvloop aborts the process when it closes it.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def separate_stdout() -> TextIO:
    """A stream that writes where stdout does and shares no buffer with it.

    At its end, the interpreter flushes `sys.stdout`: it would wait forever, or abort, while a thread holds that buffer
    because nobody reads the output.
    """
    with suppress(OSError):  # Nobody may read it.
        sys.stdout.flush()
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):  # not a file, as in tests
        return sys.stdout
    return open(number, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, closefd=False)
