"""A network camera as a process of its own: plays JPEGs by the clock over HTTP (multipart) or RTSP, to each client.

    python network_cameras.py http|rtsp PORT FOLDER FPS

RTSP as in RFC 2326, RTP interleaved with it over TCP, JPEG in RTP as in RFC 2435: as much as FFmpeg asks for.
"""

from __future__ import annotations

import random
import socketserver
import struct
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

PAYLOAD = 1400
"""Bytes of JPEG in an RTP packet."""
SESSION = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=belt\r\nt=0 0\r\n"
CLOCK = 90_000
"""RTP ticks a second."""


class Film:
    """JPEGs at a fixed rate; after the last one it is shown for ever."""

    frames: ClassVar[list[bytes]] = []
    fps = 30.0

    @classmethod
    def play(cls) -> Iterator[tuple[float, bytes]]:
        """Yield time and picture of each frame when it is due; what is too late is left out, as by a camera."""
        began, number = time.monotonic(), 0
        while True:
            time.sleep(max(0.0, began + number / cls.fps - time.monotonic()))
            yield number / cls.fps, cls.frames[min(number, len(cls.frames) - 1)]
            number = max(number + 1, int((time.monotonic() - began) * cls.fps))


class HttpCamera(BaseHTTPRequestHandler):
    """Motion JPEG as most web cameras send it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for _, picture in Film.play():
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")

    def log_message(self, *_: object) -> None: ...


class RtspCamera(socketserver.StreamRequestHandler):
    """Answers OPTIONS, DESCRIBE, SETUP and PLAY, and then sends until the client has gone."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, url = line.decode().split()[:2]
            headers = dict(self._headers())
            self._answer(method, url, headers)
            if method == "PLAY":
                self._send_film()
                return

    def _headers(self) -> Iterator[tuple[str, str]]:
        while (line := self.rfile.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            yield name.lower(), value.strip()

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> None:
        more, body = {
            "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
            "DESCRIBE": (
                f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\n",
                f"{SESSION}m=video 0 RTP/AVP 26\r\na=framerate:{Film.fps}\r\na=control:track1\r\n",
            ),
            "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", ""),
        }.get(method, ("", ""))
        head = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: 1;timeout=60\r\n{more}"
        self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def _send_film(self) -> None:
        sequence, begin = random.randrange(1 << 15), random.randrange(1 << 31)
        for seconds, picture in Film.play():
            for last, payload in packets(picture):
                stamp = (begin + int(seconds * CLOCK)) & 0xFFFFFFFF
                head = struct.pack("!BBHII", 0x80, 26 | last << 7, sequence & 0xFFFF, stamp, 1)
                self.wfile.write(b"$\0" + struct.pack("!H", len(head + payload)) + head + payload)
                sequence += 1


def packets(picture: bytes) -> Iterator[tuple[bool, bytes]]:
    """Whether it is a frame's last one, and the content, of each RTP packet of a baseline JPEG with 4:2:0 colour."""
    tables, size, scan = parts(picture)
    for offset in range(0, len(scan), PAYLOAD):
        part = scan[offset : offset + PAYLOAD]
        head = struct.pack("!B3sBBBB", 0, offset.to_bytes(3, "big"), 1, 255, size[0] // 8, size[1] // 8)
        if offset == 0:
            head += struct.pack("!BBH", 0, 0, len(tables)) + tables
        yield offset + PAYLOAD >= len(scan), head + part


def parts(picture: bytes) -> tuple[bytes, tuple[int, int], bytes]:
    """Quantisation tables, width and height, and entropy-coded scan of a JPEG."""
    at, tables, size = 2, b"", (0, 0)
    while True:
        marker, length = struct.unpack("!HH", picture[at : at + 4])
        content = picture[at + 4 : at + 2 + length]
        if marker == 0xFFDB:  # one or two tables of 64 bytes, each after its number
            tables += b"".join(content[begin + 1 : begin + 65] for begin in range(0, len(content), 65))
        elif marker == 0xFFC0:
            height, width = struct.unpack("!HH", content[1:5])
            size = (width, height)
        elif marker == 0xFFDA:
            return tables, size, picture[at + 2 + length : -2]
        at += 2 + length


class RtspServer(socketserver.ThreadingTCPServer):
    """One thread a client."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    kind, port, folder, fps = sys.argv[1:]
    Film.frames = [path.read_bytes() for path in sorted(Path(folder).glob("*.jpg"))]
    Film.fps = float(fps)
    address = ("127.0.0.1", int(port))
    with ThreadingHTTPServer(address, HttpCamera) if kind == "http" else RtspServer(address, RtspCamera) as server:
        server.serve_forever()
