"""Runs one function of an app as a test asks for it."""

import uuid

from durable_host.host.served_app import ServedApp
from durable_host.invocation.invocation_log import CALLED
from durable_host.invocation.invoker import Outcome


async def run_function(app: ServedApp, name: str, content: str) -> Outcome:
    """Run a function that is not a durable one, like a manual start. Raises LookupError and FunctionFailed."""
    served = {function.name.casefold(): function for function in app.functions.served}
    function = served.get(name.casefold())
    if function is None:
        absent = next((one for one in app.functions.absent if one.name.casefold() == name.casefold()), None)
        if absent is not None:
            raise LookupError(f"The function '{absent.name}' cannot be run: {absent.reason}.")
        names = ", ".join(sorted(function.name for function in served.values()))
        raise LookupError(f"The app has no function '{name}'; it has {names or 'none'}.")
    run = app.starts.get(function.trigger.type.lower())
    if run is None:
        raise LookupError(f"The function '{function.name}' ({function.trigger.type}) cannot be run by hand.")
    return await run(function, content, reason=CALLED, invocation_id=str(uuid.uuid4()))
