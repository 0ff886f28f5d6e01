"""Replaces a file atomically."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, text: str, *, new_mode: int = 0o666) -> None:
    """Write `text` (UTF-8, line ends unchanged) so that a reader sees either the old file or the new one, never a part.

    A link stays a link, and an existing file keeps its permissions. A new file gets `new_mode`, reduced by the user's
    umask.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        mode = target.stat().st_mode & 0o7777 if target.exists() else new_mode & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
