"""Tracks storage faults and what they block, so that each kind is logged once when it begins and once when it ends."""


class ReportedFaults:
    """Faults by kind, each with the sources (loops, instances, activities) that it currently blocks."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[str]] = {}

    def begins(self, source: str, kind: str) -> bool:
        """Record a fault of `source`. Returns True when no other source is blocked by this kind."""
        sources = self._kinds.setdefault(kind, set())
        is_new = not sources
        sources.add(source)
        return is_new

    def ends(self, source: str) -> list[str]:
        """Record that `source` succeeded or stopped asking. Returns the kinds that no longer block any source."""
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
