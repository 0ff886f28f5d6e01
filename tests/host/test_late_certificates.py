"""The contexts of aiohttp, which read their certificates with the first connection."""

import ssl
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from durable_host.worker.late_certificates import LateContext, loading_late

USES: dict[str, Callable[[ssl.SSLContext], object]] = {
    "wrap_bio": lambda context: context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.org"),
    "get_ca_certs": lambda context: context.get_ca_certs(),
    "cert_store_stats": lambda context: context.cert_store_stats(),
}

IMPORT = """
import sys
from durable_host.worker import late_certificates
before = list(sys.meta_path)
late_certificates.install()
import ssl
import aiohttp
from aiohttp import connector
contexts = connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED
assert all(type(context) is late_certificates.LateContext for context in contexts)
assert connector.SSLContext is ssl.SSLContext
assert "exec_module" not in vars(connector.__spec__.loader)
plain = ssl.create_default_context()
assert type(plain) is ssl.SSLContext
for context in contexts:
    assert context.get_ca_certs() == plain.get_ca_certs()
    assert type(context) is ssl.SSLContext
assert sys.meta_path == before
print([context.verify_mode.name for context in contexts])
"""


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


def test_context_that_is_used_by_two_threads_is_loaded_before_either_goes_on() -> None:
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


def test_contexts_that_are_created_later_load_their_certificates_at_once() -> None:
    with loading_late():
        pass
    assert type(ssl.create_default_context()) is ssl.SSLContext


def test_context_with_certificates_of_its_own_is_plain() -> None:
    with loading_late():
        context = ssl.create_default_context(cafile=ssl.get_default_verify_paths().cafile)
    assert type(context) is ssl.SSLContext


@pytest.mark.process
def test_import_of_aiohttp_creates_such_contexts() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("['CERT_REQUIRED', 'CERT_NONE']\n", 0), done.stderr
