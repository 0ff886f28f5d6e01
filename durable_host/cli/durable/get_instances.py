"""`func durable get-instances`."""

from typing import Any

import click
import msgspec

from durable_host.cli import option_lists
from durable_host.cli.durable import options, state_json
from durable_host.cli.durable.errors import NotPossible
from durable_host.cli.durable.hub_session import HubSession, run
from durable_host.durable.api.client import DurableClient
from durable_host.durable.api.errors import InvalidToken
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState


@click.command(cls=option_lists.StatusListCommand)
@options.created_range
@click.option(
    "--runtime-status",
    metavar="STATUS...",
    multiple=True,
    callback=option_lists.split,
    help="Only instances in one of these statuses, such as 'running failed'.",
)
@click.option("--top", type=click.IntRange(min=1), default=10, help="Maximum number of instances (default: 10).")
@click.option("--continuation-token", metavar="TOKEN", help="Token that the previous page ended with.")
@options.hub_options
@click.pass_context
def get_instances(
    ctx: click.Context,
    created_after: int | None,
    created_before: int | None,
    runtime_status: tuple[str, ...],
    top: int,
    continuation_token: str | None,
    **given: Any,
) -> None:
    """List instances as a JSON array, and the token for the next page.

    With --output json both are in one object: "instances" and "continuationToken".
    """
    query = InstanceQuery(
        created_from=created_after,
        created_to=created_before,
        statuses=options.statuses(runtime_status),
        top=top,
        continuation_token=continuation_token or None,
    )

    async def work(session: HubSession) -> None:
        try:
            page = await _page(session.client, query)
        except InvalidToken as error:
            raise NotPossible(
                f"'{continuation_token}' is not a continuation token of the task hub '{session.name}'.",
                cause="A token comes from the page before, and is valid only for the same hub and the same filters.",
                remedy="Copy the whole token from the last line of that page, with quotation marks, or omit "
                "--continuation-token to begin with the first page.",
            ) from error
        listed = [state_json.state(state) for state in page.instances]
        token = page.continuation_token or ""
        session.say(
            f"{state_json.indented(listed)}\nContinuation token for next set of results: '{token}'",
            instances=listed,
            continuationToken=page.continuation_token,
        )

    run(ctx, given, work)


async def _page(client: DurableClient, query: InstanceQuery) -> InstancePage:
    """A page with `top` instances if there are that many. Pages of the storage may be shorter, or even empty."""
    found: list[InstanceState] = []
    while True:
        page = await client.query(msgspec.structs.replace(query, top=query.top - len(found)))
        found += page.instances
        if len(found) >= query.top or page.continuation_token is None:
            return InstancePage(found, page.continuation_token)
        query = msgspec.structs.replace(query, continuation_token=page.continuation_token)
