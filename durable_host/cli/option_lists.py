"""Options with several values in the syntax of Core Tools: `--functions a b` for `--functions a --functions b`."""

from collections.abc import Iterable

import click


def spread(args: Iterable[str], *names: str) -> list[str]:
    """The arguments, with the option repeated before each of its values. `names` are in lower case, with dashes.

    Raises UsageError for an option without a value.
    """
    result: list[str] = []
    collecting: str | None = None
    bare: str | None = None
    for argument in args:
        if argument.startswith("-"):
            _require_value(bare)
            collecting = bare = name if (name := argument.lower()) in names else None
            if collecting is None:
                result.append(argument)
        elif collecting:
            result += [collecting, argument]
            bare = None
        else:
            result.append(argument)
    _require_value(bare)
    return result


def _require_value(bare: str | None) -> None:
    if bare is not None:
        raise click.BadOptionUsage(bare, f"Option '{bare}' requires an argument.")


def split(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Split values that were passed as one (`"a b"`, `a,b`)."""
    return tuple(name for value in values for name in value.replace(",", " ").split())


class StatusListCommand(click.Command):
    """A command that accepts `--runtime-status running failed`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args, "--runtime-status"))
