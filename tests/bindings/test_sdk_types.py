"""Parameters that are clients of the storage SDK, through azurefunctions-extensions-bindings-blob.

A small stand-in with the interface of the extension makes the first test independent of its installation.
"""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from bindings_world import plain, running, unique

pytestmark = pytest.mark.timeout(60)

BASE = """
class Datum:
    def __init__(self, value, type):
        self.value, self.type = value, type


class SdkType:
    pass


class Registry:
    converters = {}

    @classmethod
    def get(cls, binding):
        return cls.converters.get(binding)

    @classmethod
    def check_supported_type(cls, annotation):
        return isinstance(annotation, type) and issubclass(annotation, SdkType)


def get_binding_registry():
    return Registry
"""
BLOB = """
import json
from azurefunctions.extensions.base import Datum, Registry, SdkType


class BlobClient(SdkType):
    pass


class Converter:
    @classmethod
    def check_input_type_annotation(cls, pytype):
        return issubclass(pytype, BlobClient)

    @classmethod
    def decode(cls, data, *, trigger_metadata, pytype):
        assert isinstance(data, Datum) and data.type == "model_binding_data" and pytype is BlobClient
        model = data.value
        client = BlobClient()
        client.place = [model.version, model.source, model.content_type, json.loads(model.content)]
        return client


Registry.converters.update({"blob": Converter, "blobTrigger": Converter})
"""
CODE = """
from azurefunctions.extensions.bindings.blob import BlobClient

@telling
@app.blob_input(arg_name="c", path="%BOX%/{n}", connection="Storage")
def client(msg: str, c: BlobClient) -> list: return c.place

@telling
@app.blob_input(arg_name="c", path="%BOX%", connection="Second")
def container(msg: str, c: BlobClient) -> list: return c.place

@telling
@app.blob_input(arg_name="c", path="%BOX%/{n}", connection="Storage")
def text(msg: str, c: str) -> str: return c
"""


def stand_in(root: Path) -> None:
    for folder, content in (("base", BASE), ("bindings/blob", BLOB)):
        path = root / "azurefunctions" / "extensions" / folder
        path.mkdir(parents=True)
        (path / "__init__.py").write_text(content, "utf-8")


async def test_a_client_is_made_of_the_place_of_the_blob(tmp_path: Path, settings: Mapping[str, str], box: str) -> None:
    stand_in(tmp_path)
    async with running(tmp_path, CODE, settings) as world:
        version, source, content_type, place = plain(await world.run("client", '{"n": "deep/ä.txt"}'))
        assert (version, source, content_type) == ("1.0", "AzureStorageBlobs", "application/json")
        assert place == {"Connection": "AzureWebJobsStorage", "ContainerName": box, "BlobName": "deep/ä.txt"}
        place = plain(await world.run("container"))[3]
        assert place == {"Connection": "AzureWebJobsSecond", "ContainerName": box, "BlobName": ""}
        function = next(one for one in world.functions.served if one.name == "client")
        assert function.inputs[0].properties["properties"] == {"SupportsDeferredBinding": True}


async def test_other_parameters_of_the_same_app_receive_the_content(
    tmp_path: Path, settings: Mapping[str, str], box: str
) -> None:
    stand_in(tmp_path)
    async with running(tmp_path, CODE, settings) as world:
        await world.account.blobs.create_container(box)
        await world.account.blobs.put(box, "a", b"content")
        assert plain(await world.run("text", '{"n": "a"}')) == "content"


@pytest.mark.skipif(importlib.util.find_spec("azurefunctions") is None, reason="the extension is not installed")
async def test_the_extension_itself_reads_the_blob(tmp_path: Path, settings: Mapping[str, str]) -> None:
    code = """
import azurefunctions.extensions.bindings.blob as blob

@telling
@app.blob_input(arg_name="c", path="{box}/x", connection="AzureWebJobsStorage")
@app.blob_input(arg_name="d", path="{box}/x", connection="AzureWebJobsStorage")
def read(msg: str, c: blob.BlobClient, d: blob.StorageStreamDownloader) -> list:
    return [c.blob_name, d.readall().decode()]
"""
    async with running(tmp_path, code, settings) as world:
        box = unique("sdk")
        await world.account.blobs.create_container(box)
        await world.account.blobs.put(box, "x", b"content")
        assert plain(await world.run("read", json.dumps({"box": box}))) == ["x", "content"]
        await world.account.blobs.delete_container(box)
