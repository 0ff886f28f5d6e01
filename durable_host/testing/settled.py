"""Results that are complete when a method returns, and that may be awaited as well."""

from collections.abc import Generator
from typing import Any, Self


class Settled:
    """`result = app.start(...)` and `result = await app.start(...)` are the same: plain and async tests look alike."""

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self
