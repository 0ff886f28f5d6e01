"""The warning if other machines can reach the host."""

from durable_host.ports import LOOPBACK

_ALL = ("0.0.0.0", "::")


def exposure_warning(address: str, *, asks_for_keys: bool) -> str | None:
    """A warning about who can call what; None if only this machine can reach the host."""
    if address in LOOPBACK:
        return None
    listens = "on all addresses of this machine" if address in _ALL else f"on {address}"
    callers = "Every machine that reaches it can call the HTTP functions of the app"
    keys = (
        ", where their authLevel is not anonymous with a key (--enable-auth)"
        if asks_for_keys
        else " without a key (--enable-auth asks for keys)"
    )
    return (
        f"The host listens {listens}, without encryption. {callers}{keys}. The management API and the admin routes, "
        "/runtime and /admin, answer this machine only, and responses contain no errors unless "
        "DURABLE_HOST_ERROR_DETAILS is 1."
    )
