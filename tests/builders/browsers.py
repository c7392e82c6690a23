"""A real browser: Debian's chromium, driven by playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pytest

SERIOUS = frozenset({"serious", "critical"})


@contextmanager
def browser() -> Iterator[Any]:
    """The browser; a test without one is skipped."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no chromium (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


class Opened:
    """A window that has signed in by a link."""

    def __init__(self, chromium: Any, link: str, width: int, scheme: str = "light") -> None:
        self._context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self._context.new_page()
        self.messages: list[str] = []
        """What the console has shown of faults."""
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("console", lambda said: self.messages.append(said.text) if said.type == "error" else None)
        self.page.on("request", self._check)
        self._site = link.partition("/sign-in")[0]
        self.page.goto(link)

    def __enter__(self) -> "Opened":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._context.close()

    def _check(self, request: Any) -> None:
        if not request.url.startswith((self._site, "data:")):
            self.messages.append(f"asked another site: {request.url}")

    def go(self, path: str) -> None:
        self.page.goto(f"{self._site}{path}")

    def faults(self) -> list[str]:
        """Serious and critical faults that axe finds."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        found = axe.run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['html'][:160]}" for one in found if one["impact"] in SERIOUS for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def tab_to(self, selector: str, most: int = 60) -> None:
        """Press the tabulator until the element has the focus."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached with the keyboard")
