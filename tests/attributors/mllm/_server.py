"""A server that speaks the chat API, sees, and misbehaves as it is told to."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

KEY = "sk-a-key-that-must-never-be-written"


@dataclass
class Seen:
    """A request as the server understood it."""

    body: dict[str, Any]
    authorization: str
    texts: list[str]
    pictures: list[np.ndarray]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def words(self) -> list[str]:
        """What may be answered under the first key of the schema."""
        schema = self.body["response_format"]["json_schema"]["schema"]
        return next(iter(schema["properties"].values()))["enum"]

    @property
    def names(self) -> dict[str, str]:
        """Candidates by letter."""
        return dict(re.findall(r"^(\w): (.+)$", self.text, re.MULTILINE))

    def exemplars(self) -> dict[str, list[np.ndarray]]:
        """Exemplars by letter, as the order of texts and pictures says."""
        found: dict[str, list[np.ndarray]] = {}
        code, pictures = None, iter(self.pictures)
        for part in self.body["messages"][1]["content"]:
            if part["type"] == "text":
                code = next(iter(re.findall(r"^(?:An image|Images) by (\w):$", part["text"])), None)
            else:
                picture = next(pictures)
                if code is not None:
                    found.setdefault(code, []).append(picture)
        return found

    def by_colour(self) -> str:
        """The letter whose exemplars have the mean colour that is nearest to that of the last picture."""
        means = {code: np.mean([p.mean(axis=(0, 1)) for p in own], axis=0) for code, own in self.exemplars().items()}
        mine = self.pictures[-1].mean(axis=(0, 1))
        return min(means, key=lambda code: float(np.abs(means[code] - mine).sum()))


@dataclass
class Server:
    """What a test tells the server, and what it remembers."""

    url: str = ""
    answer: Callable[[Seen], str] = lambda seen: seen.by_colour()
    script: deque[str] = field(default_factory=deque)
    always: str = "good"
    tokens_in: int | None = 1000
    tokens_out: int = 10
    logprobs: bool = False
    pause: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    at_once: int = 0

    def next_manner(self) -> str:
        with self.lock:
            return self.script.popleft() if self.script else self.always


def _seen(body: dict[str, Any], authorization: str) -> Seen:
    texts, pictures = [], []
    for part in body["messages"][1]["content"]:
        if part["type"] == "text":
            texts.append(part["text"])
        else:
            head, _, data = part["image_url"]["url"].partition(",")
            assert head in ("data:image/jpeg;base64", "data:image/png;base64")
            pictures.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), dtype=np.float64))
    return Seen(body, authorization, texts, pictures)


def _logprobs(text: str, word: str, words: list[str]) -> dict[str, Any]:
    """Tokens as a tokeniser might cut them; the answer has 0.6, a second letter 0.3."""
    before, _, after = text.partition(f'"{word}"')
    other = next(w for w in words if w != word)
    tops = [{"token": word, "logprob": float(np.log(0.6))}, {"token": other, "logprob": float(np.log(0.3))}]
    cut = [(f'{before}"', []), (word, tops), (f'"{after}', [])]
    return {"content": [{"token": t, "logprob": -0.1, "bytes": None, "top_logprobs": top} for t, top in cut]}


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # connections are broken on purpose; what a test expects it sees in the answers


class _Handler(BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        state = self.server_state
        with state.lock:
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
            state.times.append(time.monotonic())
        try:
            self._answer(state)
        except ConnectionError:
            self.close_connection = True  # whoever asked has given up, as tests of slow answers want
        finally:
            with state.lock:
                state.at_once -= 1

    def _answer(self, state: Server) -> None:
        assert self.path == "/v1/chat/completions"
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        seen = _seen(json.loads(raw), self.headers.get("Authorization", ""))
        manner, _, argument = state.next_manner().partition(" ")
        with state.lock:
            state.seen.append(seen)
            state.counts[manner] += 1
        time.sleep(state.pause)
        getattr(self, f"_{manner}")(state, seen, argument)

    # -- manners -------------------------------------------------------------------------------------------------------

    def _good(self, state: Server, seen: Seen, argument: str) -> None:
        word = argument or state.answer(seen)
        keys = seen.body["response_format"]["json_schema"]["schema"]["required"]
        text = json.dumps(dict.fromkeys(keys, word))
        self._complete(state, seen, {"role": "assistant", "content": text}, word=word)

    def _slow(self, state: Server, seen: Seen, argument: str) -> None:
        time.sleep(float(argument))
        self._good(state, seen, "")

    def _status(self, state: Server, seen: Seen, argument: str) -> None:
        status, _, code = argument.partition(" ")
        self._error(int(status), code)

    def _later(self, state: Server, seen: Seen, argument: str) -> None:
        """429: come again in so many seconds."""
        self._error(429, "rate_limit_exceeded", {"Retry-After": argument})

    def _later_date(self, state: Server, seen: Seen, argument: str) -> None:
        """429: come again at a time, so many seconds from now."""
        self._error(429, "rate_limit_exceeded", {"Retry-After": formatdate(time.time() + float(argument), usegmt=True)})

    def _drop(self, state: Server, seen: Seen, argument: str) -> None:
        self.close_connection = True
        self.connection.close()

    def _half(self, state: Server, seen: Seen, argument: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"id": "x", "choices": [')
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()

    def _broken(self, state: Server, seen: Seen, argument: str) -> None:
        self._send(200, b'{"id": "x", "choices": [')

    def _empty(self, state: Server, seen: Seen, argument: str) -> None:
        self._send(200, b"{}")

    def _page(self, state: Server, seen: Seen, argument: str) -> None:
        self._send(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})

    def _refuse(self, state: Server, seen: Seen, argument: str) -> None:
        self._complete(state, seen, {"role": "assistant", "content": None, "refusal": "I would rather not."})

    def _filter(self, state: Server, seen: Seen, argument: str) -> None:
        self._complete(state, seen, {"role": "assistant", "content": ""}, finish="content_filter")

    def _cut(self, state: Server, seen: Seen, argument: str) -> None:
        self._complete(state, seen, {"role": "assistant", "content": '{"answer": "'}, finish="length")

    def _say(self, state: Server, seen: Seen, argument: str) -> None:
        self._complete(state, seen, {"role": "assistant", "content": argument})

    # -- sending -------------------------------------------------------------------------------------------------------

    def _complete(
        self, state: Server, seen: Seen, message: dict[str, Any], finish: str = "stop", word: str | None = None
    ) -> None:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "message": message}
        if state.logprobs and word is not None and seen.body.get("logprobs"):
            choice["logprobs"] = _logprobs(message["content"], word, seen.words)
        body: dict[str, Any] = {
            "id": "x", "object": "chat.completion", "created": 0, "model": seen.body["model"], "choices": [choice]
        }  # fmt: skip
        if state.tokens_in is not None:
            total = state.tokens_in + state.tokens_out
            body["usage"] = {
                "prompt_tokens": state.tokens_in, "completion_tokens": state.tokens_out, "total_tokens": total
            }  # fmt: skip
        self._send(200, json.dumps(body).encode())

    def _error(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        # Services repeat the key they were given.
        said = f"Not so, {self.headers.get('Authorization', '')}"
        self._send(status, json.dumps({"error": {"message": said, "code": code or None}}).encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server on a free port of this machine until the block ends."""
    state = Server()
    handler = type("Handler", (_Handler,), {"server_state": state})
    server = _Quiet(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
