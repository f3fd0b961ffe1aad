"""A server of one file on loopback that can misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from fastclipgen.weights import download


@dataclass
class Server:
    """Serves `content` at every path. The path's first part says how:

    ok | whole (knows no ranges) | drops (sends a third, then breaks off) | once (drops the first time) | other (another
    content of the same size) | long (another size) | page (HTML) | silent (no length) | gone (404) | busy (503) | slow
    (a little now and then) | hangs (nothing ever) | elsewhere
    """

    content: bytes
    version: str = '"v1"'
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Range
    release: threading.Event = field(default_factory=threading.Event)

    def at(self, mode: str) -> str:
        return f"{self.url}/{mode}/file"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        mode, wanted = request.path.split("/")[1], request.headers["Range"] or ""
        first = not any(path == request.path for path, _ in self.asked)
        self.asked.append((request.path, wanted))
        if mode == "hangs":
            self.release.wait(20)
            request.close_connection = True
            return
        if mode in ("gone", "busy"):
            return _head(request, 404 if mode == "gone" else 503, {"Content-Length": "0"})
        if mode == "page":
            page = b"<html>Sign in</html>"
            _head(request, 200, {"Content-Length": str(len(page)), "Content-Type": "text/html; charset=utf-8"})
            request.wfile.write(page)
            return
        content = {"other": b"!" * len(self.content), "long": self.content + b"!"}.get(mode, self.content)
        if_range = request.headers["If-Range"]
        ranged = wanted and mode != "whole" and if_range in (None, self.version)
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if ranged else 0
        if begin >= len(content) and ranged:
            return _head(request, 416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
        headers = {"ETag": self.version, "Content-Length": str(len(content) - begin)}
        if mode == "silent":
            del headers["Content-Length"]
        if ranged:
            begins = 0 if mode == "elsewhere" else begin
            headers["Content-Range"] = f"bytes {begins}-{len(content) - 1}/{len(content)}"
        _head(request, 206 if ranged else 200, headers)
        rest = content[begin:]
        if mode in ("drops", "elsewhere") or (mode == "once" and first):
            rest = rest[: max(1, len(content) // 3)]
        for start in range(0, len(rest), 4096):
            request.wfile.write(rest[start : start + 4096])
            request.wfile.flush()
            if mode == "slow":
                time.sleep(0.05)
        request.close_connection = True


def _head(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, caches: Path) -> Iterator[Server]:
    """A running Server of 60 kB; within, waits are short, there is no proxy, and the caches are in this folder."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(download, "STALL_SECONDS", 1.0)
    one = Server(bytes(i * i % 251 for i in range(60_000)))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    one.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield one
    finally:
        one.release.set()
        http.shutdown()
        http.server_close()
