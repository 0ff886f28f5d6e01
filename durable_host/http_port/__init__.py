"""What both HTTP ports of the host, the public one and that of the SDK, have in common: connections, time limits, size
limits, and answers to what is not HTTP.
"""

from durable_host.http_port.body_limit import body_limit, read_body, too_large
from durable_host.http_port.http_connection import ConnectionTimes, wait_lost
from durable_host.http_port.tcp_port import HttpPort, guarded

__all__ = ["ConnectionTimes", "HttpPort", "body_limit", "guarded", "read_body", "too_large", "wait_lost"]
