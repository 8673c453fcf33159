"""One visitor of the page: what it does there, and what may not happen meanwhile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator
    from serve_process import Served

ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
)
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
LAPTOP: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 860}}

SERVER_GONE: Final = r"^(failed|console): .*(ERR_(CONNECTION|SOCKET|EMPTY|INCOMPLETE)|reset|Failed to fetch)"
"""What a page may run into while its server is dead."""

AXE: Final = "axe-core@4.14.1"
"""MPL-2.0; too large to be kept here, so npm fetches it once."""
AXE_FOLDER: Final = Path(__file__).parent / ".axe"
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def chromium_path() -> str | None:
    """Return where Debian's or another Chromium is."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


class Visitor:
    """A page in a browser context of its own, and everything that went wrong in it."""

    def __init__(self, browser: Browser, server: Served, shots: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **LAPTOP, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.server, self._shots = server, shots
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self._expected: list[str] = []
        self.page.on("console", lambda said: self._note(f"console: {said.text}") if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self._note(f"page: {error}"))
        self.page.on("requestfailed", lambda request: self._failed(request.url, str(request.failure)))
        self.page.on("request", lambda request: self._asked(request.method, request.url))
        self.page.on(
            "response",
            lambda answer: self._note(f"status {answer.status}: {answer.url}") if answer.status >= 400 else None,
        )

    def go(self, path: str) -> None:
        """Open an address of the server and wait for its heading."""
        self.page.goto(self.server.url + path)
        self.page.wait_for_selector("h1")

    def expect_wrong(self, pattern: str) -> None:
        """Say what will go wrong on purpose."""
        self._expected.append(pattern)

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Keep a picture of the page."""
        self._shots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._shots / f"{re.sub(r'[^a-zA-Z0-9_.-]+', '-', name)}.png", full_page=whole)

    def leave(self) -> None:
        """Close the page; the test fails if something went wrong that it did not expect."""
        self.context.close()
        left = [one for one in self.wrong if not any(re.search(pattern, one) for pattern in self._expected)]
        assert not left, "\n".join(left)

    def give(self, *paths: Path, to: str = ".drop input[multiple]") -> None:
        """Choose files."""
        self.page.locator(to).set_input_files([str(path) for path in paths])

    def button(self, words: str) -> Locator:
        """Return the button that says so."""
        return self.page.get_by_role("button", name=words, exact=True)

    def marked(self, kind: str) -> int:
        """Return how many beans of the tray are marked as ``ng``, ``ok`` or ``cut``."""
        return self.page.locator(f".photo .look.{kind}").count()

    def is_loaded(self, selector: str) -> bool:
        """Wait until all pictures there have come; False if one is broken."""
        code = """async (selector) => {
            const pictures = [...document.querySelectorAll(selector)];
            await Promise.all(pictures.map((one) => one.decode().catch(() => {})));
            return pictures.length > 0 && pictures.every((one) => one.naturalWidth > 0);
        }"""
        return self.page.evaluate(code, selector)

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def barriers(self) -> list[str]:
        """Return what axe-core finds that keeps people out."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(axe_script())
        code = """async (tags) => {
            const found = await axe.run(document, { runOnly: tags, iframes: false });
            const said = ({ html, failureSummary }) => html + ' ' + failureSummary;
            return found.violations.map(({ id, help, nodes }) => [id, help, ...nodes.slice(0, 3).map(said)].join(': '));
        }"""
        return self.page.evaluate(code, list(RULES))

    def _note(self, words: str) -> None:
        self.wrong.append(words)

    def _failed(self, url: str, why: str) -> None:
        if "ERR_ABORTED" not in why:  # a page that is left takes its requests back
            self._note(f"failed: {url}: {why}")

    def _asked(self, method: str, url: str) -> None:
        self.requests.append(f"{method} {url.removeprefix(self.server.url)}")
        if not url.startswith((self.server.url, "blob:", "data:")):
            self._note(f"third party: {url}")


def axe_script() -> str:
    """Return axe-core, which npm fetches on first use.

    Where it cannot, the test is skipped; in CI it fails.
    """
    script = AXE_FOLDER / "axe.min.js"
    if not script.exists():
        AXE_FOLDER.mkdir(exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=AXE_FOLDER) as folder:  # several workers may fetch it at once
                pack = ["npm", "pack", "--silent", AXE]
                packed = subprocess.run(pack, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
                subprocess.run(["tar", "xzf", packed.stdout.split()[-1]], cwd=folder, check=True)
                (Path(folder) / "package" / "axe.min.js").replace(script)
        except (OSError, subprocess.SubprocessError) as error:
            words = f"npm cannot fetch {AXE}: {error}"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(words)
    return script.read_text(encoding="utf-8")
