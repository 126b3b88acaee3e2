"""A gateway that gives answers which the stand-in cannot give, and keeps the requests that it got."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class Strange(ThreadingHTTPServer):
    """Answers every request with the same status and body."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status, self.body = status, body
        # The path, the key and the form of each request.
        self.asked: list[tuple[str, str | None, dict[str, list[str]]]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Strange

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append((self.path, self.headers["apiKey"], form))
        self.send_response(self.server.status)
        self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@contextmanager
def strange(status: int, body: bytes = b"") -> Iterator[Strange]:
    with Strange(status, body) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server
        finally:
            server.shutdown()
