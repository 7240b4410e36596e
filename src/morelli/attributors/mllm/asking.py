"""Asking many questions: side by side, each once, and stopped cleanly when no more may be asked."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol

from morelli.attributors.mllm.account import Account, Prices, Statement
from morelli.attributors.mllm.answers_cache import AnswersCache, key_of
from morelli.attributors.mllm.client import Client, StoppedError
from morelli.attributors.mllm.database import Database, default_answers_path
from morelli.attributors.mllm.question import Question, request_of, size_of
from morelli.attributors.mllm.reply import Reply
from morelli.attributors.mllm.settings import AskSettings, Endpoint
from morelli.errors import BudgetError, EndpointError

__all__ = ["Asker", "RemoteAsker", "open_account", "report_progress", "watching"]

Progress = Callable[[int, int], None]

_FAILED: Final = "failed"
"""May be otherwise another time: not kept, so that the next run asks again."""

_REJECTED: Final = "rejected"
"""Kept, if the service has ever answered: then this question is at fault. Else its settings may be, or the service."""

_LOOK: Final = 0.5
"""Seconds between two looks for Ctrl-C."""

_watchers: list[Progress] = []


@contextmanager
def watching(progress: Progress) -> Iterator[None]:
    """Call ``progress(done, total)`` before and after every answer to questions that are asked while the block runs."""
    _watchers.append(progress)
    try:
        yield
    finally:
        _watchers.remove(progress)


def report_progress(done: int, total: int) -> None:
    """Tell those that are watching."""
    for watcher in _watchers:
        watcher(done, total)


class Asker(Protocol):
    """Who answers questions."""

    @property
    def name(self) -> str:
        """How results call it."""
        ...

    def ask(self, n: int, question: Callable[[int], Question]) -> list[Reply]:
        """Return the replies to questions 0 to `n` - 1, which are made when they are needed.

        Raises
        ------
        BudgetError, EndpointError
            No more can be asked; what was answered is kept.
        """
        ...


def open_account(endpoint: Endpoint) -> Account:
    """Return the account of an endpoint, in the file that it names."""
    return Account(
        Database(endpoint.answers or default_answers_path()),
        f"{endpoint.model} at {endpoint.base_url}",
        Prices(endpoint.price_in, endpoint.price_out, endpoint.price_image),
        budget=endpoint.budget,
        rpm=endpoint.rpm,
    )


class RemoteAsker:
    """Asks an endpoint.

    Parameters
    ----------
    endpoint : Endpoint
    asked : AskSettings
        How images are sent.
    """

    def __init__(self, endpoint: Endpoint, asked: AskSettings) -> None:
        self.endpoint, self.asked = endpoint, asked

    @property
    def name(self) -> str:
        """The model, as the service calls it."""
        return self.endpoint.model

    def statement(self) -> Statement:
        """Return the state of the account."""
        return open_account(self.endpoint).statement()

    def ask(self, n: int, question: Callable[[int], Question]) -> list[Reply]:
        """Return the replies to questions 0 to `n` - 1; see `Asker`."""
        return _Round(self.endpoint, self.asked).run(n, question)


class _Round:
    """Questions that are asked together."""

    def __init__(self, endpoint: Endpoint, asked: AskSettings) -> None:
        self._endpoint, self._asked = endpoint, asked
        self._account = open_account(endpoint)
        self._cache = AnswersCache(
            Database(endpoint.answers or default_answers_path()), f"{endpoint.model} at {endpoint.base_url}"
        )
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._answering = False
        self._rejected: dict[int, tuple[str, Reply]] = {}

    def run(self, n: int, question: Callable[[int], Question]) -> list[Reply]:
        client = Client(self._endpoint, self._account)
        replies: dict[int, Reply] = {}
        stop: EndpointError | None = None
        report_progress(0, n)  # the first answer may take long, or never come
        try:
            for i, came in self._side_by_side(client, n, question):
                if isinstance(came, Reply):
                    replies[i] = came
                    report_progress(len(replies), n)
                elif not isinstance(came, EndpointError):
                    raise came
                elif not isinstance(came, StoppedError):
                    stop = stop or came
        finally:
            client.stopped.set()
            client.close()
        self._settle(replies)
        if stop is not None:
            answered = sum(reply.failure not in (_FAILED, _REJECTED) for reply in replies.values())
            raise type(stop)(f"{stop} {_go_on(answered, n, isinstance(stop, BudgetError))}") from stop
        return [replies[i] for i in range(n)]

    def _side_by_side(
        self, client: Client, n: int, question: Callable[[int], Question]
    ) -> Iterator[tuple[int, Reply | BaseException]]:
        """Yield what came of each question, as it comes.

        Threads that end with the program: a pool of threads is waited for, and so after Ctrl-C for what it waits for.
        """
        came: queue.SimpleQueue[tuple[int, Reply | BaseException]] = queue.SimpleQueue()
        numbers = iter(range(n))

        def work() -> None:
            while True:
                with self._lock:
                    i = next(numbers, None)
                if i is None:
                    return
                try:
                    came.put((i, self._one(client, question, i)))
                except BaseException as error:  # whatever it is, whoever waits for it has to know
                    came.put((i, error))

        for _ in range(min(self._endpoint.concurrency, n)):
            threading.Thread(target=work, name="asking", daemon=True).start()
        left = n
        while left:
            try:
                yield came.get(timeout=_LOOK)
            except queue.Empty:  # only to look for Ctrl-C, which not every system tells of while there is waiting
                continue
            left -= 1

    def _one(self, client: Client, question: Callable[[int], Question], i: int) -> Reply:
        if client.stopped.is_set():
            raise StoppedError("The run was stopped before this question was made.")
        made = question(i)
        request = request_of(made, self._endpoint, side=self._asked.image_side, image_format=self._asked.image_format)
        key = key_of(self._account.name, request)
        kept = self._cache.get(key)
        if kept is not None:
            return kept
        try:
            reply = client.send(request, size_of(made, self._endpoint), key)
            if reply.failure == _REJECTED:
                with self._lock:
                    self._rejected[i] = key, reply
            elif reply.failure != _FAILED:
                self._cache.put(key, reply)
            self._count(reply)
        except BaseException:
            client.stopped.set()  # here and now, before this thread or another takes the next question
            raise
        return reply

    def _count(self, reply: Reply) -> None:
        """Count questions in a row that came to nothing, and stop where there are too many.

        A service that answers some questions and rejects others works: what it rejects counts for nothing then.
        """
        with self._lock:
            if reply.failure == _REJECTED and self._answering:
                return
            if reply.failure in (_FAILED, _REJECTED):
                self._in_a_row += 1
            else:
                self._in_a_row, self._answering = 0, self._answering or reply.failure is None
            if self._in_a_row >= self._endpoint.give_up:
                raise EndpointError(
                    f"{self._account.name} left {self._in_a_row} questions in a row unanswered; the last time: "
                    f"{reply.detail}."
                )

    def _settle(self, replies: dict[int, Reply]) -> None:
        """Keep what was rejected, or count it as failed where the service has never answered anything."""
        if not self._rejected:
            return
        final = self._account.statement().requests > 0
        for i, (key, reply) in self._rejected.items():
            if final:
                self._cache.put(key, reply)
            elif i in replies:  # the one too many, which stopped the rest, is not
                replies[i] = replace(reply, failure=_FAILED)


def _go_on(answered: int, n: int, money: bool) -> str:
    how = "Set a higher budget, and the" if money else "The"
    return f"{answered} of {n} questions of this part are answered and kept. {how} same command goes on there."
