"""`func durable`: works with instances directly in a task hub's storage, without a host. One module per command.

Source: docs/protocol/functions-host-cli.md#durable-commands
"""

from typing import Final

import click

from durable_host.cli.lazy_group import Commands, LazyGroup

_HERE = "durable_host.cli.durable"
COMMANDS: Final[Commands] = {
    "serve": (f"{_HERE}.serve:serve", "Serve a task hub for plain Durable Task workers."),
    "dashboard": (f"{_HERE}.dashboard:dashboard", "Show a task hub on a page in the browser."),
    "start-new": (f"{_HERE}.start_new:start_new", "Start an orchestration."),
    "get-instances": (f"{_HERE}.get_instances:get_instances", "List instances."),
    "get-runtime-status": (f"{_HERE}.get_runtime_status:get_runtime_status", "Show the state of one instance."),
    "get-history": (f"{_HERE}.get_history:get_history", "Show the history of one instance."),
    "export": (f"{_HERE}.export:export", "Save the history of one instance as a test."),
    "raise-event": (f"{_HERE}.raise_event:raise_event", "Send an event to an instance."),
    "terminate": (f"{_HERE}.terminate:terminate", "Terminate an instance."),
    "suspend": (f"{_HERE}.suspend_resume:suspend", "Pause an instance."),
    "resume": (f"{_HERE}.suspend_resume:resume", "Resume a paused instance."),
    "rewind": (f"{_HERE}.rewind:rewind", "Retry the failed steps of a failed instance."),
    "restart": (f"{_HERE}.restart:restart", "Start an instance again with the same input."),
    "purge-history": (f"{_HERE}.purge_history:purge_history", "Delete instances that have ended."),
    "delete-task-hub": (f"{_HERE}.delete_task_hub:delete_task_hub", "Delete a task hub and everything in it."),
}


class DurableGroup(LazyGroup):
    """Its commands use aiohttp."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from durable_host.host.late_certificates import import_aiohttp

        import_aiohttp()
        return super().get_command(ctx, cmd_name)


durable: Final = DurableGroup(
    "durable",
    commands_of=COMMANDS,
    sections=(
        ("Serve", ("serve",)),
        (
            "Start and inspect",
            ("dashboard", "start-new", "get-instances", "get-runtime-status", "get-history", "export"),
        ),
        ("Control", ("raise-event", "terminate", "suspend", "resume", "rewind", "restart")),
        ("Clean up", ("purge-history", "delete-task-hub")),
    ),
    help="""Start, inspect and control durable instances, directly in the task hub's storage.

    No host needs to be running: messages wait in the hub's queues until one is.

    \b
    Examples:
      func durable start-new --function-name HelloWorld --id hello-1 --input @input.json
      func durable get-instances --runtime-status running pending --top 50
      func durable raise-event --id hello-1 --event-name Approval --event-data true
      func durable get-instances --task-hub-name OtherHub --connection-string-setting OtherStorage
    """,
)
