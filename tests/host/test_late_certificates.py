"""The contexts of the host's aiohttp, which read their certificates with the first connection."""

import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from durable_host.host.late_certificates import LateContext, loading_late

ONE_AUTHORITY = Path(__file__).parents[1] / "no_authority.pem"

USES: dict[str, Callable[[ssl.SSLContext], object]] = {
    "wrap_bio": lambda context: context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.org"),
    "get_ca_certs": lambda context: context.get_ca_certs(binary_form=True),
    "cert_store_stats": lambda context: context.cert_store_stats(),
}

IMPORT = """
import ssl
from durable_host.host import process_lifetime
before = dict(vars(ssl.SSLContext))
process_lifetime._import_services()
from aiohttp import connector
from durable_host.host.late_certificates import LateContext
contexts = connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED
assert all(type(context) is LateContext for context in contexts)
assert dict(vars(ssl.SSLContext)) == before
plain = ssl.create_default_context()
assert type(plain) is ssl.SSLContext
for context in contexts:
    assert context.get_ca_certs() == plain.get_ca_certs()
    assert type(context) is ssl.SSLContext
print([context.verify_mode.name for context in contexts])
"""


class OtherContext(ssl.SSLContext):
    """A class that a package puts in place of Python's."""


@pytest.fixture(autouse=True)
def authorities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The certificates of the machine are one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ONE_AUTHORITY))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_first_use_loads_the_certificates(use: Callable[[ssl.SSLContext], object]) -> None:
    expected = ssl.create_default_context().cert_store_stats()
    with loading_late():
        context = ssl.create_default_context()
    assert type(context) is LateContext
    use(context)
    assert type(context) is ssl.SSLContext
    assert context.cert_store_stats() == expected
    assert expected["x509_ca"] > 0


def test_context_that_is_used_by_two_threads_is_loaded_before_either_continues() -> None:
    entered, go_on = threading.Event(), threading.Event()
    found: list[int] = []

    def load() -> None:
        entered.set()
        assert go_on.wait(10)

    with loading_late():
        context = ssl.create_default_context()
    vars(context)["late_loads"].insert(0, load)
    threads = [threading.Thread(target=lambda: found.append(context.cert_store_stats()["x509_ca"])) for _ in range(2)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert found == [ssl.create_default_context().cert_store_stats()["x509_ca"]] * 2


def test_certificates_are_loaded_as_requested() -> None:
    with loading_late():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs(purpose=ssl.Purpose.SERVER_AUTH)
    assert type(context) is LateContext
    assert context.cert_store_stats() == ssl.create_default_context().cert_store_stats()


def test_contexts_that_are_created_later_load_their_certificates_at_once() -> None:
    before = dict(vars(ssl.SSLContext))
    with loading_late():
        pass
    assert dict(vars(ssl.SSLContext)) == before
    assert type(ssl.create_default_context()) is ssl.SSLContext


def test_context_with_certificates_of_its_own_is_plain() -> None:
    with loading_late():
        context = ssl.create_default_context(cafile=ONE_AUTHORITY)
    assert type(context) is ssl.SSLContext


def test_contexts_of_another_class_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(vars(ssl.SSLContext))
    monkeypatch.setattr(ssl, "SSLContext", OtherContext)
    with loading_late():
        assert dict(vars(OtherContext.__base__)) == before
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
    assert type(context) is OtherContext
    assert context.cert_store_stats()["x509_ca"] > 0


def test_context_is_made_plain_even_if_another_class_has_come_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ssl.SSLContext
    with loading_late():
        context = ssl.create_default_context()
    monkeypatch.setattr(ssl, "SSLContext", OtherContext)
    assert context.cert_store_stats()["x509_ca"] > 0
    assert type(context) is plain


@pytest.mark.process
def test_host_imports_aiohttp_with_such_contexts() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("['CERT_REQUIRED', 'CERT_NONE']\n", 0), done.stderr
