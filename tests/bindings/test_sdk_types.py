"""Parameters that are clients of the storage SDK, through azurefunctions-extensions-bindings-blob."""

import json
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from bindings_world import BindingsWorld, plain, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

CODE = """
import azurefunctions.extensions.bindings.blob as blob


def blob_in(name, connection="AzureWebJobsStorage", path="%BOX%/{n}"):
    return app.blob_input(arg_name=name, path=path, connection=connection)


@telling
@blob_in("c")
@blob_in("d")
def read(msg: str, c: blob.BlobClient, d: blob.StorageStreamDownloader) -> list:
    return [c.container_name, c.blob_name, c.download_blob().readall().decode(), d.readall().decode()]

@telling
@blob_in("c", path="%BOX%")
def listed(msg: str, c: blob.ContainerClient) -> list:
    return [c.container_name, list(c.list_blob_names())]

@telling
@blob_in("c", "Storage")
@blob_in("s", "Second")
def named_briefly(msg: str, c: blob.BlobClient, s: blob.BlobClient) -> list:
    return [c.exists(), s.exists()]

@telling
@blob_in("text")
@blob_in("c")
def beside(msg: str, text: str, c: blob.BlobClient) -> list:
    return [text, c.get_blob_properties().size]

@telling
@blob_in("d")
def missing(msg: str, d: blob.StorageStreamDownloader) -> str:
    return d.readall().decode()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, settings: Mapping[str, str], box: str
) -> AsyncIterator[BindingsWorld]:
    async with running(tmp_path_factory.mktemp("sdk") / "app", CODE, settings) as world:
        await world.account.blobs.create_container(box)
        await world.account.blobs.put(box, "deep/ä b.txt", b"content")
        yield world
        await world.account.blobs.delete_container(box)


THE_BLOB = json.dumps({"n": "deep/ä b.txt"})


async def test_clients_of_a_blob_read_it(world: BindingsWorld, box: str) -> None:
    assert plain(await world.run("read", THE_BLOB)) == [box, "deep/ä b.txt", "content", "content"]


async def test_a_client_of_a_container_needs_no_blob(world: BindingsWorld, box: str) -> None:
    assert plain(await world.run("listed")) == [box, ["deep/ä b.txt"]]


async def test_connections_may_go_by_their_short_names(world: BindingsWorld) -> None:
    assert plain(await world.run("named_briefly", THE_BLOB)) == [True, True]


async def test_other_parameters_of_the_function_receive_the_content(world: BindingsWorld) -> None:
    assert plain(await world.run("beside", THE_BLOB)) == ["content", 7]


async def test_a_downloader_of_a_missing_blob_fails_the_invocation(world: BindingsWorld) -> None:
    assert "BlobNotFound" in await world.failure("missing", '{"n": "missing"}')


async def test_the_host_learns_which_parameters_are_clients(world: BindingsWorld) -> None:
    function = next(one for one in world.functions.served if one.name == "beside")
    deferred = {binding.name: binding.is_deferred for binding in function.inputs}
    assert deferred == {"text": False, "c": True}
