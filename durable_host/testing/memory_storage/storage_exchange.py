"""Requests to the storage services in memory, and their responses."""

from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import msgspec

from durable_host import timestamp

META_PREFIX = "x-ms-meta-"


@dataclass(slots=True)
class StorageRequest:
    """One HTTP request. `path` has no account and is decoded, `query` holds decoded values.

    Names of headers have any case; `header` finds them.
    """

    service: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header, in any case."""
        value = self.headers.get(name)
        if value is not None:
            return value
        name = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == name), None)

    def metadata(self) -> dict[str, str]:
        """The metadata in the headers."""
        found: dict[str, str] = {}
        for key, value in self.headers.items():
            if key.lower().startswith(META_PREFIX):
                found[key[len(META_PREFIX) :]] = value
        return found


@dataclass(slots=True)
class StorageAnswer:
    """The response to a request."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


_SENTENCES = {
    "BlobAlreadyExists": "The specified blob already exists.",
    "BlobNotFound": "The specified blob does not exist.",
    "ConditionNotMet": "The condition specified using HTTP conditional header(s) is not met.",
    "ContainerAlreadyExists": "The specified container already exists.",
    "ContainerNotFound": "The specified container does not exist.",
    "EntityAlreadyExists": "The specified entity already exists.",
    "InvalidResourceName": "The specified resource name contains invalid characters.",
    "MessageNotFound": "The specified message does not exist.",
    "NotImplemented": "The storage in memory does not have this operation.",
    "OutOfRangeInput": "One of the request inputs is out of range.",
    "PopReceiptMismatch": "The specified pop receipt did not match the pop receipt for a dequeued message.",
    "QueueAlreadyExists": "The specified queue already exists.",
    "QueueNotFound": "The specified queue does not exist.",
    "ResourceNotFound": "The specified resource does not exist.",
    "TableAlreadyExists": "The table specified already exists.",
    "TableNotFound": "The table specified does not exist.",
    "UpdateConditionNotSatisfied": "The update condition specified in the request was not satisfied.",
}


class RequestRefused(Exception):
    """The service refuses the request. `headers` are added to the response."""

    def __init__(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.headers = headers or {}


def refused_answer(service: str, status: int, code: str) -> StorageAnswer:
    """The response of a service that refuses a request."""
    text = sentence_of(code)
    if service == "table":
        return StorageAnswer(status, {"Content-Type": "application/json"}, odata_error(code, text))
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}\nRequestId:0</Message></Error>"
    return StorageAnswer(status, {"x-ms-error-code": code, "Content-Type": "application/xml"}, body.encode())


def sentence_of(code: str) -> str:
    """The text of an error."""
    return _SENTENCES.get(code, code)


def odata_error(code: str, text: str) -> bytes:
    """The body of an error of the table service."""
    return msgspec.json.encode({"odata.error": {"code": code, "message": {"lang": "en-US", "value": text}}})


def header_date(ticks: int) -> str:
    """Ticks as the date in a header: whole seconds."""
    return formatdate((ticks - timestamp.UNIX_EPOCH_TICKS) // timestamp.TICKS_PER_SECOND, usegmt=True)


def xml_text(text: str) -> str:
    """Text inside an element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def xml_answer(body: str, headers: dict[str, str] | None = None) -> StorageAnswer:
    """A response with a document."""
    text = f"<?xml version='1.0' encoding='utf-8'?>{body}"
    return StorageAnswer(200, {"Content-Type": "application/xml", **(headers or {})}, text.encode())


def xml_metadata(metadata: dict[str, str]) -> str:
    """The metadata of a resource in a list."""
    return f"<Metadata>{''.join(f'<{name}>{xml_text(text)}</{name}>' for name, text in metadata.items())}</Metadata>"


def xml_page(request: StorageRequest) -> str:
    """The requested range, at the beginning of a list. Clients read the size of further pages here."""
    names = {"prefix": "Prefix", "marker": "Marker", "maxresults": "MaxResults", "delimiter": "Delimiter"}
    return "".join(
        f"<{tag}>{xml_text(request.query[name])}</{tag}>" for name, tag in names.items() if name in request.query
    )


def meta_headers(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata of a resource as headers."""
    return {f"{META_PREFIX}{name}": text for name, text in metadata.items()}


def json_bytes(value: Any) -> bytes:
    return msgspec.json.encode(value)
