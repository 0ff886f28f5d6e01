"""The pool of connections to storage, which shrinks after a burst."""

from collections import deque
from typing import Any

import aiohttp


class NewestFirstConnector(aiohttp.TCPConnector):
    """Reuses the connection that became free last, so that those that only a burst needed stay idle and are closed
    after the keep-alive time. aiohttp reuses the oldest one, which keeps all of them open forever.
    """

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close)
        free = self._conns.get(key)
        # Versions of aiohttp that keep a list here take the newest one themselves.
        if isinstance(free, deque) and free[-1][0] is protocol:
            free.rotate(1)
