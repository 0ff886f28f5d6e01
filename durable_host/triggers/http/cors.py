"""Cross-origin requests from browsers (CORS). Disabled unless origins are configured.

Source: docs/protocol/functions-host-http.md#cors
"""

from collections.abc import Mapping

import msgspec


class CorsPolicy(msgspec.Struct, frozen=True):
    """Allowed origins (`*` for all) with any header and any method."""

    origins: tuple[str, ...]
    credentials: bool = False

    def is_preflight(self, method: str, headers: Mapping[str, str]) -> bool:
        return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers

    def preflight_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers of the 204 response to a preflight; empty if the origin is not allowed."""
        answer = self.response_headers(headers)
        if answer:
            answer["Access-Control-Allow-Methods"] = headers["Access-Control-Request-Method"]
            if wanted := headers.get("Access-Control-Request-Headers"):
                answer["Access-Control-Allow-Headers"] = wanted
        return answer

    def response_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers to add to the response to a request from another origin."""
        origin = headers.get("Origin")
        if origin is None:
            return {}
        if "*" in self.origins and not self.credentials:
            return {"Access-Control-Allow-Origin": "*"}
        if origin.rstrip("/").lower() not in (allowed.lower() for allowed in self.origins):
            return {}
        answer = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if self.credentials:
            answer["Access-Control-Allow-Credentials"] = "true"
        return answer
