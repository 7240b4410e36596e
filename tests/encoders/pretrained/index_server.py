"""A package index on this machine, for one wheel, that may misbehave."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Index", "serve", "wheel_of"]


def wheel_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


@dataclass
class Index:
    package: str
    version: str
    wheel: bytes
    truncate: int | None = None  # send so many bytes only
    announce: dict[str, Any] = field(default_factory=dict)  # overrides of what is said about the wheel
    url: str = ""
    requests: list[str] = field(default_factory=list)

    @property
    def about(self) -> bytes:
        entry = {
            "packagetype": "bdist_wheel",
            "url": f"{self.url}/files/some.whl",
            "size": len(self.wheel),
            "digests": {"sha256": hashlib.sha256(self.wheel).hexdigest()},
            **self.announce,
        }
        return json.dumps({"urls": [{"packagetype": "sdist"}, entry]}).encode()


@contextmanager
def serve(index: Index) -> Iterator[Index]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requests.append(self.path)
            if self.path == f"/pypi/{index.package}/{index.version}/json":
                self.answer(index.about, None)
            elif self.path == "/files/some.whl":
                self.answer(index.wheel, index.truncate)
            else:
                self.send_error(404)

        def answer(self, data: bytes, truncate: int | None) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:truncate])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
