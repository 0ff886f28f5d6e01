"""Runs Azurite in a container, with the docker package."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from durable_host.config.connection import Connection
from durable_host.private_files import make_app_folder
from durable_host.storage.azurite.errors import AzuriteError, AzuriteStartFailed, DockerUnavailable
from durable_host.storage.azurite.probe import address_of, probe

IMAGE = "mcr.microsoft.com/azure-storage/azurite"
READY_TIMEOUT = 60.0
_RELEASE_TIMEOUT = 40.0

_PORTS = {"blob": 10000, "queue": 10001, "table": 10002}
_POLL_SECONDS = 0.1
_STOP_SECONDS = 10
# The shell ends Azurite when its standard input is closed. The host holds the other end, so this works even if the
# host is killed.
_SCRIPT = (
    "umask 077; "
    "exec 3<&0; "
    'azurite "$@" & azurite=$!; '
    "trap 'kill -TERM $azurite' TERM INT; "
    "(cat >/dev/null; kill -TERM $azurite) <&3 & "
    "wait $azurite; wait $azurite"
)
_DATA_LABEL = "durable-host.data"


class AzuriteContainer:
    """A container that this process started. `stop` ends and removes it."""

    def __init__(self, client: Any, container: Any, lifeline: Any) -> None:
        self._client = client
        self._container = container
        self._lifeline = lifeline
        self.origin = f"docker image {IMAGE}"

    def stop(self) -> None:
        """Shut it down gracefully, wait, and remove it. Idempotent."""
        import docker.errors

        container, self._container = self._container, None
        if container is None:
            return
        with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
            container.stop(timeout=_STOP_SECONDS)
        with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
            container.remove(force=True)
        with contextlib.suppress(OSError):
            self._lifeline.close()
        self._client.close()


def start_container(
    connection: Connection,
    data_dir: Path | None,
    report: Callable[[str], None],
    *,
    cancelled: threading.Event | None = None,
) -> AzuriteContainer:
    """Run Azurite in a container with the ports of `connection` published, and wait until it is ready.

    Raises DockerUnavailable if there is no engine or image, AzuriteStartFailed if it does not become ready.
    """
    client = _connect()
    _require_image(client, report)
    container = None
    lifeline = None
    try:
        if data_dir is not None:
            _await_release(client, data_dir, report)
        container = _create(client, connection, data_dir)
        lifeline = client.api.attach_socket(container.id, params={"stdin": 1, "stream": 1})
        container.start()
        azurite = AzuriteContainer(client, container, lifeline)
        _wait_until_ready(container, connection, cancelled)
    except BaseException as error:
        if container is not None:
            with contextlib.suppress(Exception):
                container.remove(force=True)
        if lifeline is not None:
            lifeline.close()
        client.close()
        if isinstance(error, AzuriteError) or not isinstance(error, Exception):
            raise
        raise AzuriteStartFailed("The Azurite container could not be started.", cause=str(error)) from error
    report(f"Azurite is ready in container {container.name}")
    return azurite


def _connect() -> Any:
    import docker
    import docker.errors

    try:
        client: Any = docker.from_env()
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise DockerUnavailable(
            "There is no Docker engine to run Azurite in.",
            cause=str(error),
            remedy="Start Docker, or omit '--azurite docker': the host then runs Azurite on Node.js.",
        ) from error
    return client


def _require_image(client: Any, report: Callable[[str], None]) -> None:
    import docker.errors

    try:
        client.images.get(IMAGE)
        return
    except docker.errors.ImageNotFound:
        report(f"Pulling {IMAGE} (once)")
    except docker.errors.APIError as error:
        client.close()
        raise DockerUnavailable("The Docker engine could not list its images.", cause=str(error)) from error
    try:
        client.images.pull(IMAGE, tag="latest")
    except docker.errors.DockerException as error:
        client.close()
        raise DockerUnavailable(
            f"The image {IMAGE} is not on this machine and could not be pulled.",
            cause=str(error),
            remedy=f"Connect to the network, or load {IMAGE} with 'docker load', and start again.",
        ) from error


def _await_release(client: Any, data_dir: Path, report: Callable[[str], None]) -> None:
    """Wait for the container of a killed host: it is still saving the data in this folder."""
    deadline = time.monotonic() + _RELEASE_TIMEOUT
    is_reported = False
    while found := client.api.containers(filters={"label": f"{_DATA_LABEL}={data_dir}"}):
        if not is_reported:
            report("Waiting for the Azurite container of a killed host to save its data")
            is_reported = True
        if time.monotonic() > deadline:
            raise AzuriteStartFailed(
                f"A container of another host still uses '{data_dir}'.",
                cause=", ".join(str(container["Names"][0]).lstrip("/") for container in found),
                remedy="Stop that host, or remove the container with 'docker rm -f', and start again.",
            )
        time.sleep(_POLL_SECONDS)


def _create(client: Any, connection: Connection, data_dir: Path | None) -> Any:
    arguments = ["--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    ports: dict[str, tuple[str, int]] = {}
    for service, inside in _PORTS.items():
        host, port = address_of(getattr(connection, f"{service}_endpoint"))
        ports[f"{inside}/tcp"] = ("127.0.0.1" if host == "localhost" else host, port)
        arguments += [f"--{service}Host", "0.0.0.0", f"--{service}KeepAliveTimeout", "600"]
    volumes: dict[str, dict[str, str]] = {}
    user = None
    if data_dir is None:
        arguments.append("--inMemoryPersistence")
    else:
        make_app_folder(data_dir)
        volumes[str(data_dir)] = {"bind": "/data", "mode": "rw"}
        arguments += ["--location", "/data"]
        if hasattr(os, "getuid"):
            user = f"{os.getuid()}:{os.getgid()}"
    environment = {}
    if connection.account_key:
        environment["AZURITE_ACCOUNTS"] = f"{connection.account_name}:{connection.account_key}"
    return client.containers.create(
        IMAGE,
        entrypoint=["sh", "-c", _SCRIPT, "azurite"],
        command=arguments,
        ports=ports,
        volumes=volumes,
        environment=environment,
        user=user,
        stdin_open=True,
        detach=False,
        auto_remove=True,
        labels={_DATA_LABEL: str(data_dir or "")},
    )


def _wait_until_ready(container: Any, connection: Connection, cancelled: threading.Event | None) -> None:
    import docker.errors

    deadline = time.monotonic() + READY_TIMEOUT
    while not probe(connection).is_ready:
        try:
            container.reload()
            running = container.status in ("created", "running")
        except docker.errors.NotFound:
            running = False
        if not running:
            raise AzuriteStartFailed("The Azurite container ended immediately after its start.", cause=_log(container))
        if cancelled is not None and cancelled.is_set():
            raise AzuriteStartFailed("The start of Azurite was interrupted.")
        if time.monotonic() > deadline:
            raise AzuriteStartFailed(
                f"The Azurite container did not become ready within {READY_TIMEOUT:.0f} s.", cause=_log(container)
            )
        time.sleep(_POLL_SECONDS)


def _log(container: Any) -> str | None:
    try:
        text: str = container.logs(tail=8).decode("utf-8", "replace")
    except Exception:
        return None
    return text.strip() or None
