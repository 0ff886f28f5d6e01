"""What can go wrong with a call, with the app, and with the process that runs it."""

from typing import ClassVar

from durable_host.errors import EXIT_APP, HostError
from durable_host.invocation.code_failure import CodeFailure


class FunctionFailed(Exception):
    """User code, or a binding around it, failed. `type` is the name of the error's type, `stack` the traceback text.

    `failure` is all that is known of it, for the log.
    """

    def __init__(self, type: str, message: str, stack: str = "", failure: CodeFailure | None = None) -> None:
        super().__init__(f"{type}: {message}" if failure is None or failure.names_type else message)
        self.type = type
        self.message = message
        self.stack = stack
        self.failure = failure or CodeFailure(type=type, message=message, stack=stack)


class FunctionTimedOut(FunctionFailed):
    """The invocation ran longer than `functionTimeout` of host.json. `was_alone`: nothing else ran in its worker."""

    def __init__(self, type: str, message: str, stack: str = "", *, was_alone: bool = False) -> None:
        super().__init__(type, message, stack)
        self.was_alone = was_alone


class ClientGone(Exception):
    """Nobody takes the response of a streamed HTTP call any more; the text says why. No code is at fault."""


class AppError(HostError):
    """The app cannot be run as it is."""

    code = "DH4001"
    exit_code: ClassVar[int] = EXIT_APP


class AppImportFailed(AppError):
    """The app's code does not import; the cause begins with the place in the user's file."""

    code = "DH4002"


class SdkMissing(AppError):
    """The app's interpreter has no azure-functions package: install the app's requirements into it."""

    code = "DH4003"


class InterpreterUnusable(AppError):
    """The Python interpreter for the app is missing, too old or cannot be started."""

    code = "DH4004"


class WorkerStartFailed(AppError):
    """The worker process ended or hung before it had loaded the app."""

    code = "DH4005"


class DebuggerUnusable(AppError):
    """The debugger that was asked for is not installed for the app's interpreter, or its port is taken."""

    code = "DH4020"


class WorkerLost(HostError):
    """The worker process ended while it ran the call, or none could be had. The host starts a new one by itself.

    `ending` tells how the process died, when that may be this call's doing; it certainly is when the call `was_alone`
    in it.
    """

    code = "DH4010"

    def __init__(
        self,
        message: str,
        *,
        cause: str | None = None,
        remedy: str | None = None,
        ending: str | None = None,
        was_alone: bool = False,
    ) -> None:
        super().__init__(message, cause=cause, remedy=remedy)
        self.ending = ending
        self.was_alone = was_alone
