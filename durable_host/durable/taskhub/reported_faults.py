"""Which faults of storage make whom wait: each kind is news once when it begins, and once when it is over."""


class Faults:
    """Faults by kind, and the sources (loops, instances, activities) that each of them holds up now."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[str]] = {}

    def begins(self, source: str, kind: str) -> bool:
        """`source` met a fault; True when nobody else waits because of this kind."""
        sources = self._kinds.setdefault(kind, set())
        is_new = not sources
        sources.add(source)
        return is_new

    def ends(self, source: str) -> list[str]:
        """`source` succeeded, or no longer asks; the kinds that hold up nobody any longer."""
        if not self._kinds:
            return []
        over: list[str] = []
        for kind, sources in list(self._kinds.items()):
            if source in sources:
                sources.discard(source)
                if not sources:
                    del self._kinds[kind]
                    over.append(kind)
        return over
