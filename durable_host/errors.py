"""Errors that are shown to the user as a message instead of a traceback.

Exit codes of `func`:

| code | what happened                                                      |
| ---- | ------------------------------------------------------------------ |
| 0    | stopped on request (Ctrl+C, SIGTERM), or the command succeeded      |
| 1    | any other failure                                                  |
| 2    | invalid command line                                               |
| 3    | configuration: host.json, local.settings.json, settings, connections |
| 4    | storage: Azurite or the storage account                            |
| 5    | port: the host cannot listen on the address                        |
| 6    | app: it does not import, or its worker does not start              |
| 130  | interrupted (Ctrl+C) before the work was done; `func start` ends with 0 |

Error codes: DH1xxx configuration, DH2xxx storage and Azurite, DH3xxx port and web, DH4xxx app import and worker,
DH5xxx triggers and bindings, DH6xxx Durable Functions.
"""

from typing import ClassVar

EXIT_STOPPED = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_CONFIGURATION = 3
EXIT_STORAGE = 4
EXIT_PORT = 5
EXIT_APP = 6
EXIT_INTERRUPTED = 130


class HostError(Exception):
    """An error that the user can understand and fix.

    `message` is one sentence about what happened, `cause` says why (one or more lines), `remedy` says what to do. The
    default of `code` is the code of the class.
    """

    code: str = "DH1000"
    exit_code: ClassVar[int] = EXIT_FAILURE

    def __init__(
        self, message: str, *, cause: str | None = None, remedy: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.remedy = remedy
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message


class UsageError(HostError):
    """The command line is invalid, or asks for something that is not possible."""

    code = "DH1010"
    exit_code = EXIT_USAGE


class ConfigurationError(HostError):
    """host.json, local.settings.json, an app setting or a connection is missing or wrong."""

    code = "DH1001"
    exit_code = EXIT_CONFIGURATION


class PortError(HostError):
    """The host cannot listen on the address, usually because another process already does."""

    code = "DH3001"
    exit_code = EXIT_PORT


class GrpcMissing(HostError):
    """The packages of the extra `grpc` are not installed together with this host."""

    code = "DH6011"
    exit_code = EXIT_APP
    install: ClassVar[str] = 'pip install "durable-host[grpc]"'

    def __init__(self, error: ImportError) -> None:
        super().__init__(
            "This needs gRPC, which is not installed.",
            cause=f"{type(error).__name__}: {error}",
            remedy=f"Install it together with the host: {self.install}",
        )
