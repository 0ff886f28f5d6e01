"""Why Azurite cannot be used or started, each with its own message."""

from durable_host.errors import EXIT_STORAGE, HostError


class AzuriteError(HostError):
    """Azurite cannot be used; the text says why and what to do."""

    exit_code = EXIT_STORAGE
    code = "DH2010"


class AzuriteNotRunning(AzuriteError):
    """Nothing listens on the ports of the development storage account, and it was not to be started."""

    code = "DH2011"


class AzuriteIncomplete(AzuriteError):
    """Only some of the three services answer. End that Azurite, or start it with all three services."""

    code = "DH2012"


class PortHeld(AzuriteError):
    """A port of the development storage account is used by a program that is not Azurite."""

    code = "DH2013"


class NoAnswer(AzuriteError):
    """Something accepts connections on the ports of the development storage account and does not answer: an Azurite
    that is busy, or another program.
    """

    code = "DH2018"


class AccountKeyRefused(AzuriteError):
    """Azurite answers and does not accept the account name and key of the connection."""

    code = "DH2014"


class AzuriteNotInstalled(AzuriteError):
    """Azurite is not on this machine and could not be installed."""

    code = "DH2015"


class AzuriteStartFailed(AzuriteError):
    """Azurite was started and ended, or did not become ready in time."""

    code = "DH2016"


class DockerUnavailable(AzuriteError):
    """Azurite was to run as a container and there is no engine, or no image."""

    code = "DH2017"
