"""Decodes the segments of a path. Azure decodes them twice and reads `+` as a space.

Names of events and keys of entities are decoded the same way. An instance is found by any reading of its ID, because
the links that this host generates work for every ID.

Source: docs/protocol/durable-http-api.md#paths-and-query-parameters
"""

from urllib.parse import unquote, unquote_plus

from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.request_cautions import Cautions


def decoded_once(part: str) -> str:
    return unquote(part)


def decoded_again(once: str, cautions: Cautions) -> str:
    """Decode a segment a second time."""
    twice = unquote_plus(once)
    if twice != once:
        cautions.decoded_again(once, twice)
    return twice


async def known_id(client: DurableClient, part: str, cautions: Cautions) -> str:
    """Return the first reading of the segment `part` that is an existing instance, or the first reading if there is
    none.

    Generated URLs are form-encoded, the SDK puts IDs into URLs unencoded, and Azure decodes twice.
    """
    first, twice = unquote_plus(part), unquote_plus(unquote(part))
    meanings = list(dict.fromkeys((first, unquote(part), twice, part)))
    if len(meanings) == 1:
        return first
    for instance_id in meanings:
        if await client.get(instance_id, fetch_input=False, fetch_output=False) is not None:
            if instance_id != twice:
                cautions.unreachable(instance_id, twice)
            return instance_id
    return first
