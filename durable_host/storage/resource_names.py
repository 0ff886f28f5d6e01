"""Lists the queues or the containers of an account."""

from xml.etree import ElementTree

from durable_host.storage.transport import HttpChannel


async def names_of(channel: HttpChannel, kind: str, prefix: str) -> list[str]:
    """The names of all elements `kind` (`Queue`, `Container`) that begin with `prefix`, in order."""
    names: list[str] = []
    marker = ""
    while True:
        query = [("comp", "list")]
        if marker:
            query.append(("marker", marker))
        if prefix:
            query.append(("prefix", prefix))
        root = ElementTree.fromstring((await channel.send("GET", "/", query)).body)
        names += [name for found in root.iter(kind) if (name := found.findtext("Name"))]
        marker = root.findtext("NextMarker") or ""
        if not marker:
            return names
