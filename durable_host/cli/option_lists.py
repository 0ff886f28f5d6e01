"""Options that take several values, as Core Tools write them: `--functions a b` for `--functions a --functions b`."""

from collections.abc import Iterable

import click


def spread(args: Iterable[str], *names: str) -> list[str]:
    """The arguments with every value of these options (lower case, with dashes) behind an option of its own."""
    result: list[str] = []
    collecting: str | None = None
    for argument in args:
        if argument.startswith("-"):
            name = argument.lower()
            collecting = name if name in names else None
            if collecting is None:
                result.append(argument)
        else:
            result += [collecting, argument] if collecting else [argument]
    return result


def split(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Values that were given together (`"a b"`, `a,b`), apart."""
    return tuple(name for value in values for name in value.replace(",", " ").split())


class StatusListCommand(click.Command):
    """Takes `--runtime-status running failed`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args, "--runtime-status"))
