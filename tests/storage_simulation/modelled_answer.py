"""Requests to the modelled storage, and its responses."""

from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import msgspec

from durable_host import timestamp


@dataclass(slots=True)
class Request:
    """One HTTP request. `path` has no account and is decoded, `query` holds decoded values."""

    service: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


_SENTENCES = {
    "QueueNotFound": "The specified queue does not exist.",
    "TableNotFound": "The table specified does not exist.",
    "ResourceNotFound": "The specified resource does not exist.",
    "ContainerNotFound": "The specified container does not exist.",
    "BlobNotFound": "The specified blob does not exist.",
}


class Refused(Exception):
    """The service does not do what was asked."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


def refusal(service: str, status: int, code: str) -> Answer:
    """The answer of a service that refuses."""
    text = _SENTENCES.get(code, code)
    if service == "table":
        return Answer(status, {"Content-Type": "application/json"}, odata_error(code, text))
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}\nRequestId:0</Message></Error>"
    return Answer(status, {"x-ms-error-code": code, "Content-Type": "application/xml"}, body.encode())


def odata_error(code: str, text: str) -> bytes:
    """The body of an error of the table service."""
    return msgspec.json.encode({"odata.error": {"code": code, "message": {"lang": "en-US", "value": text}}})


def http_date(ticks: int) -> str:
    """Ticks as the date in a header: whole seconds."""
    return formatdate((ticks - timestamp.UNIX_EPOCH_TICKS) // timestamp.TICKS_PER_SECOND, usegmt=True)


def xml(text: str) -> str:
    """Text inside an element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def as_json(value: Any) -> bytes:
    return msgspec.json.encode(value)
