"""A real browser on the dashboard of a host, for the tests of the page."""

import contextlib
from collections.abc import Iterator

from chromium import FLAGS, Chromium
from host_process import HostProcess
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

PATIENCE = 60_000.0
"""Milliseconds until something that the page waits for must be there."""

expect.set_options(timeout=PATIENCE)


@contextlib.contextmanager
def running_browser(chromium: Chromium) -> Iterator[Browser]:
    """A browser with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium.program), args=list(FLAGS), env={**chromium.environment}
        )
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody with a page of their own. `problems` are errors of scripts and violations of the policy."""

    def __init__(self, context: BrowserContext) -> None:
        context.set_default_timeout(PATIENCE)
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self._heard(message.type, message.text))

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.problems.append(text)

    def visit(self, host: HostProcess, view: str) -> Page:
        """Open a view, such as `instances`, by its address."""
        self.page.goto(f"{host.base_url}/_df/{view}")
        return self.page


def start(host: HostProcess, name: str, instance_id: str, data: object = None) -> str:
    """Start an instance through the management API, as a program does."""
    path = f"/runtime/webhooks/durabletask/orchestrators/{name}"
    answer = host.post(f"{path}/{instance_id}", json=data)
    assert answer.status_code == 202, answer.text
    return instance_id
