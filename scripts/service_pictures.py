"""Pictures of the service's pages, in docs/service: python scripts/service_pictures.py HOME LOOP

HOME is one of a server that does not run now; LOOP is in it, and best has an accepted round. Needs Debian's chromium.
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "service"
SHOTS = (
    ("loops", "/", 1280, "light"),
    ("loop", "/loops/{loop}", 1280, "dark"),
    ("loop-narrow", "/loops/{loop}", 390, "light"),
    ("proposal", "/loops/{loop}/proposal", 1280, "light"),
    ("lineage-narrow", "/loops/{loop}/lineage", 390, "dark"),
)
TALLEST = 1800
"""Pixels of a page that are kept."""


def main(home: str, loop: str) -> None:
    command = [sys.executable, "-m", "controller.main", "serve", f"serve.home={home}", "serve.port=0"]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        link = _link(server)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, path, width, scheme in SHOTS:
                _shoot(browser, link, path.format(loop=loop), width, scheme, FOLDER / f"{name}.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _link(server: "subprocess.Popen[str]") -> str:
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"http://\S+/sign-in\?token=\S+", line):
            return found[0]
    raise SystemExit("the server has ended")


def _shoot(browser: Browser, link: str, path: str, width: int, scheme: str, file: Path) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(link)
    page.goto(link.partition("/sign-in")[0] + path)
    time.sleep(0.5)
    height = min(TALLEST, int(page.evaluate("document.documentElement.scrollHeight")))
    page.screenshot(path=file, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    context.close()
    print(file.relative_to(ROOT))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(*sys.argv[1:])
