"""Settings for the apps in this folder: the session's Azurite and unique names."""

import pytest
from bindings_world import unique


@pytest.fixture(scope="module")
def box() -> str:
    """Name of a container that no other test uses."""
    return unique("box")


@pytest.fixture(scope="module")
def settings(connection_string: str, box: str) -> dict[str, str]:
    return {
        "AzureWebJobsStorage": connection_string,
        "AzureWebJobsSecond": connection_string,
        "BlobsOnly__blobServiceUri": "http://127.0.0.1:9/blobs",
        "BOX": box,
        "TABLE": unique("T"),
        "QUEUE": unique("q"),
    }
