"""The settings of the Azure Storage task hub.

`hold_time` and `send_concurrency` are specific to this host.

Source: docs/protocol/task-hub-storage-queues.md#hub-settings,
    docs/protocol/task-hub-storage-queues.md#lock-renewal
"""

import msgspec


class AzureTaskHubOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All times are in seconds.

    A received message is hidden for `hold_time`, or for its queue's visibility timeout if that is shorter, and hidden
    again for as long as this process works on it. So a crash delays a message by no more than that.

    `worker_id` None derives it from the machine, the app and a free slot on this machine. `app_name` decides who shares
    the app lease. `take_all_activities` None means yes on the development account, where no other machine waits for
    work. `table_prefix` names the tracking tables when they are in an account of their own.
    """

    hub_name: str = "TestHubName"
    partition_count: int = 4
    control_queue_batch_size: int = 32
    control_queue_buffer_threshold: int = 256
    control_queue_visibility_timeout: float = 300.0
    work_item_queue_visibility_timeout: float = 300.0
    max_polling_interval: float = 30.0
    message_encoding: str = "utf8"
    use_table_partition_management: bool = True
    use_app_lease: bool = True
    app_name: str = ""
    worker_id: str | None = None
    table_prefix: str | None = None
    hold_time: float = 30.0
    send_concurrency: int = 12
    take_all_activities: bool | None = None
    restored_timer_grace: float = 3.0

    @property
    def control_hold(self) -> float:
        return max(1.0, min(self.hold_time, self.control_queue_visibility_timeout))

    @property
    def work_item_hold(self) -> float:
        return max(1.0, min(self.hold_time, self.work_item_queue_visibility_timeout))

    @property
    def writes_base64(self) -> bool:
        return self.message_encoding.lower() == "base64"
