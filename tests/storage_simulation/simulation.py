"""Runs one seed."""

import logging
import warnings
from collections.abc import Sequence
from unittest.mock import patch

from mutations import mutated
from simulated_host import CURRENT
from simulated_world import Outcome, World
from virtual_loop import NothingCanHappen, TimeStandsStill, run, virtual_time

from durable_host.durable.taskhub.azure import unfinished_commit

_MISTAKES = (NameError, TypeError, AttributeError, LookupError, AssertionError, ValueError, RecursionError)


class _LogOfHosts(logging.Handler):
    """Puts what the product logs into the trace, and complains about errors in its code."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        host = CURRENT.get()
        error = record.exc_info[1] if record.exc_info else None
        cause = f" {error!r}" if error else ""
        if isinstance(error, _MISTAKES):
            self._world.complain(f"the product failed: {record.getMessage()[:80]}{cause}")
        self._world.note(host.name if host else "", record.levelname, f"{record.getMessage()[:300]}{cause}")


def simulate(seed: int, *, traces: bool = False, mutation: str | None = None) -> Outcome:
    """Run one seed, with a mutation of the product if one is named."""
    warnings.simplefilter("ignore")
    with virtual_time(seed) as loop, mutated(mutation):
        world = World(seed, loop, traces=traces)
        handler = _LogOfHosts(world)
        logging.getLogger().addHandler(handler)
        logging.disable(logging.INFO if traces else logging.WARNING)
        try:
            with patch.object(unfinished_commit, "MAX_ROWS", world.plan.rows_per_transaction):
                run(loop, world.live())
        except NothingCanHappen:
            world.complain("everybody waits for something that never comes")
        except TimeStandsStill as still:
            world.complain(f"time stands still, busy: {still}")
        except Exception as error:
            world.complain(f"the simulation failed: {_innermost(error)!r}")
            if traces:
                raise
        finally:
            logging.getLogger().removeHandler(handler)
            logging.disable(logging.NOTSET)
        world.outcome.virtual_seconds = loop.time()
        world.outcome.faults = world.faults.happened.total()
        return world.outcome


def _innermost(error: BaseException) -> BaseException:
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return _innermost(inner[0]) if inner else error
