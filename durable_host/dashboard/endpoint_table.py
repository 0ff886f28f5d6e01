"""All endpoints of the dashboard's API."""

from durable_host.dashboard import change_stream, instance_actions, instance_list, session_info
from durable_host.dashboard.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *session_info.ENDPOINTS,
    *instance_list.ENDPOINTS,
    *change_stream.ENDPOINTS,
    *instance_actions.ENDPOINTS,
)
