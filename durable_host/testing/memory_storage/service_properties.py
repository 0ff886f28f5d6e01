"""The properties and statistics of a service, which have no effect here."""

from durable_host.testing.memory_storage.storage_exchange import StorageAnswer, StorageRequest, xml_answer

_OFF = "<Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
_LOGGING = (
    "<Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>"
    "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging>"
)
_DEFAULT = (
    f"<StorageServiceProperties>{_LOGGING}<HourMetrics>{_OFF}</HourMetrics><MinuteMetrics>{_OFF}</MinuteMetrics>"
    "<Cors/>{more}</StorageServiceProperties>"
)
_OF_BLOBS = (
    "<DefaultServiceVersion>2021-08-06</DefaultServiceVersion><DeleteRetentionPolicy><Enabled>false</Enabled>"
    "</DeleteRetentionPolicy><StaticWebsite><Enabled>false</Enabled></StaticWebsite>"
)
_ACCOUNT = {"x-ms-sku-name": "Standard_RAGRS", "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "false"}


class ServiceProperties:
    """What a client may read and set at the service itself; it is remembered, and nothing else."""

    def __init__(self, service: str) -> None:
        self._body = _DEFAULT.replace("{more}", _OF_BLOBS if service == "blob" else "").encode()

    def answer(self, request: StorageRequest) -> StorageAnswer | None:
        """The response, or None if the request is about something else."""
        comp, restype = request.query.get("comp"), request.query.get("restype")
        if restype == "account":
            return StorageAnswer(200, dict(_ACCOUNT))
        if restype != "service":
            return None
        if comp == "stats":
            return xml_answer(
                "<StorageServiceStats><GeoReplication><Status>live</Status><LastSyncTime>"
                "Mon, 01 Jan 2024 00:00:00 GMT</LastSyncTime></GeoReplication></StorageServiceStats>"
            )
        if request.method == "PUT":
            self._body = request.body
            return StorageAnswer(202)
        return StorageAnswer(200, {"Content-Type": "application/xml"}, self._body)
