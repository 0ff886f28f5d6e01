"""All endpoints of the dashboard's API."""

from durable_host.dashboard import instance_actions, session_info
from durable_host.dashboard.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *session_info.ENDPOINTS,
    *instance_actions.ENDPOINTS,
)
