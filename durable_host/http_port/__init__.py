"""The common code of the host's two HTTP ports, the public one and the SDK's.

It handles connections, time limits, size limits, and requests that are not valid HTTP.
"""

from durable_host.http_port.body_limit import body_limit, read_body, too_large
from durable_host.http_port.express import ExpressAnswer, PlainRequest, plain_response
from durable_host.http_port.http_connection import ConnectionTimes, wait_disconnected
from durable_host.http_port.tcp_port import BODY_MISTAKES, HttpPort, body_refusal, guarded, is_readable

__all__ = [
    "BODY_MISTAKES",
    "ConnectionTimes",
    "ExpressAnswer",
    "HttpPort",
    "PlainRequest",
    "body_limit",
    "body_refusal",
    "guarded",
    "is_readable",
    "plain_response",
    "read_body",
    "too_large",
    "wait_disconnected",
]
