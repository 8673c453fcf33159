"""A web server on this machine that can fail in all the ways in which real ones do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """One file of the server, and how the server misbehaves with it."""

    body: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    cut_after: int | None = None
    """Each answer breaks off after so many bytes of its body."""
    status: int = 200
    says_length: bool = True
    wrong_start: int = 0
    """Added to the start in Content-Range."""
    silent: bool = False
    """Never answers."""


@dataclass
class Server:
    """The pages, and what was asked for."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """Path, Range and If-Range of each request."""
    closing: threading.Event = field(default_factory=threading.Event)

    def add(self, name: str, page: Page) -> str:
        self.pages[f"/{name}"] = page
        return f"{self.url}/{name}"


@contextmanager
def running_server() -> Iterator[Server]:
    """Yield a running server; its pages are added by the test."""
    server = Server()
    web = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": server}))
    server.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        web.shutdown()
        thread.join()
        web.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.site.requests.append((self.path, wanted, self.headers["If-Range"]))
        page = self.site.pages.get(self.path, Page(b"", status=404))
        start = self._start(page, wanted)
        if page.silent:
            self.site.closing.wait()
        elif page.status != 200:
            self.send_error(page.status)
        elif start >= len(page.body):
            self.send_error(416)
        else:
            self._head(page, start)
            body = page.body[start:]
            self.wfile.write(body if page.cut_after is None else body[: page.cut_after])

    def _start(self, page: Page, wanted: str | None) -> int:
        changed = self.headers["If-Range"] not in (None, page.etag)
        if not wanted or not page.ranges or changed:
            return 0
        return int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]

    def _head(self, page: Page, start: int) -> None:
        self.send_response(206 if start else 200)
        if start:
            first, size = start + page.wrong_start, len(page.body)
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        if page.says_length:
            self.send_header("Content-Length", str(len(page.body) - start))
        if page.etag:
            self.send_header("ETag", page.etag)
        self.end_headers()
