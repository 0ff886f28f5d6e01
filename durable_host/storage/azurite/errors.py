"""Errors about using or starting Azurite."""

from durable_host.errors import EXIT_STORAGE, HostError


class AzuriteError(HostError):
    """Azurite cannot be used; the text says why and what to do."""

    exit_code = EXIT_STORAGE
    code = "DH2010"


class AzuriteNotRunning(AzuriteError):
    """Nothing listens on the ports of the development storage account, and the host must not start Azurite."""

    code = "DH2011"


class AzuriteIncomplete(AzuriteError):
    """Only some of the three services answer. Stop that Azurite, or start it with all three services."""

    code = "DH2012"


class PortHeld(AzuriteError):
    """A port of the development storage account is used by a program that is not Azurite."""

    code = "DH2013"


class NoAnswer(AzuriteError):
    """Something accepts connections on the ports of the development storage account but does not answer.

    It is a busy Azurite, or another program.
    """

    code = "DH2018"


class AccountKeyRefused(AzuriteError):
    """Azurite answers but does not accept the account name and key of the connection."""

    code = "DH2014"


class AzuriteNotInstalled(AzuriteError):
    """Azurite is not on this machine and could not be installed."""

    code = "DH2015"


class AzuriteStartFailed(AzuriteError):
    """Azurite ended after its start, or did not become ready in time."""

    code = "DH2016"


class DockerUnavailable(AzuriteError):
    """Azurite should run in a container, but there is no engine or no image."""

    code = "DH2017"
