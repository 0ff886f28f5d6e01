"""All endpoints of the dashboard's API."""

from durable_host.dashboard import (
    change_stream,
    early_timers,
    entity_views,
    exported_test,
    function_list,
    hub_status,
    instance_actions,
    instance_detail,
    instance_list,
    instance_replay,
    instance_views,
    queue_list,
    session_info,
)
from durable_host.dashboard.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *session_info.ENDPOINTS,
    *instance_list.ENDPOINTS,
    *change_stream.ENDPOINTS,
    *queue_list.ENDPOINTS,
    *function_list.ENDPOINTS,
    *hub_status.ENDPOINTS,
    *instance_actions.ENDPOINTS,
    *instance_detail.ENDPOINTS,
    *instance_views.ENDPOINTS,
    *early_timers.ENDPOINTS,
    *exported_test.ENDPOINTS,
    *instance_replay.ENDPOINTS,
    *entity_views.ENDPOINTS,
)
