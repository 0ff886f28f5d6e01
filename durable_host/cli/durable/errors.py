"""The errors of `func durable`."""

from collections.abc import Generator
from contextlib import contextmanager

from durable_host.durable.api.errors import ClientError, InstanceNotFound
from durable_host.durable.taskhub.port import InstanceExists, TaskHubUnavailable, UnreadableHistory
from durable_host.errors import EXIT_STORAGE, HostError
from durable_host.storage import StorageError
from durable_host.storage.errors import explain


class TaskHubMissing(HostError):
    """The account has no such task hub: pass another --task-hub-name, or start an instance first."""

    code = "DH6301"


class InstanceMissing(HostError):
    """The hub has no instance with this ID: 'func durable get-instances' lists its instances."""

    code = "DH6302"


class NotPossible(HostError):
    """The state of the instance, or an argument, does not allow the operation; the text says why."""

    code = "DH6303"


class HubUnavailable(HostError):
    """The storage of the hub does not answer, or refuses the request."""

    code = "DH6304"
    exit_code = EXIT_STORAGE


class InputInvalid(HostError):
    """An input or event data cannot be read, or must be JSON and is not."""

    code = "DH6305"


class ExportFailed(HostError):
    """A file of 'func durable export' cannot be written: pass another folder with --output."""

    code = "DH6306"


class OtherSdk(HostError):
    """A test of a saved history would run on another generation of the SDK than the one that wrote the history."""

    code = "DH6307"


@contextmanager
def explained(setting: str) -> Generator[None]:
    """Convert errors of the hub and the client into errors for the user; `setting` names the connection."""
    try:
        yield
    except InstanceNotFound as error:
        raise missing(error.instance_id) from error
    except (ClientError, InstanceExists, UnreadableHistory) as error:
        raise NotPossible(str(error)) from error
    except TaskHubUnavailable as error:
        if isinstance(error.__cause__, StorageError):
            raise explain(error.__cause__, setting) from error
        raise HubUnavailable("The task hub cannot be used.", cause=str(error)) from error
    except StorageError as error:
        raise explain(error, setting) from error


def missing(instance_id: str) -> InstanceMissing:
    """The error for an ID that the hub does not have."""
    return InstanceMissing(
        f"Could not find an orchestration instance with id '{instance_id}'",
        remedy="'func durable get-instances' lists the instances of the hub; --task-hub-name selects another hub.",
    )
