"""A proxy before a real endpoint that refuses, delays or cuts requests as a test tells it, and passes on the rest."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class BadLine:
    """``faults`` are taken in order, one a request: ("status", 429, headers), ("cut",), ("hang",), or None for none.

    ``refuse`` says of each request's JSON whether it is answered 400, as by a server that knows less.
    """

    def __init__(self, upstream: str) -> None:
        self.faults: list[tuple[Any, ...] | None] = []
        self.refuse: Callable[[dict[str, Any]], bool] = lambda body: False
        self.seen: list[tuple[float, dict[str, Any]]] = []
        self.passed: list[dict[str, Any]] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                body = json.loads(raw)
                outer.seen.append((time.monotonic(), body))
                fault = outer.faults.pop(0) if outer.faults else None
                if outer.refuse(body):
                    fault = ("status", 400, {})
                if fault is None:
                    request = urllib.request.Request(upstream + self.path, raw, {"content-type": "application/json"})
                    with urllib.request.urlopen(request, timeout=300) as response:
                        answer = response.read()
                    outer.passed.append(json.loads(answer))
                    self._answer(200, {}, answer)
                elif fault[0] == "status":
                    self._answer(fault[1], fault[2], b'{"error": {"message": "as the test wants", "code": "x"}}')
                else:
                    if fault[0] == "hang":
                        outer.released.wait()
                    self.close_connection = True

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
