"""The official client with our own way of trying again, and an account of what it costs."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Mapping
from typing import Any, Final

from morelli.attributors.mllm.account import Account, Size
from morelli.attributors.mllm.failures import Failure, failure_of
from morelli.attributors.mllm.reply import Alternatives, Reply
from morelli.attributors.mllm.retrying import RetryPolicy
from morelli.attributors.mllm.settings import PUBLIC_URL, Endpoint
from morelli.errors import EndpointError, MissingExtraError

__all__ = ["Client", "StoppedError"]

_NO_KEY: Final = "none"
"""For services that want no key; the client wants one."""

_HIDDEN: Final = "[key]"

_DIALLED: Final = 3
"""Attempts at an address that has never answered: a connection may fail once or twice, a wrong address always does."""


class StoppedError(EndpointError):
    """Somebody else has found that nothing more shall be sent."""


class Client:
    """Sends requests to an endpoint, each as often as is worth while; for any number of threads.

    Parameters
    ----------
    endpoint : Endpoint
    account : Account
        Every attempt is entered there before it is sent.
    policy : RetryPolicy, optional
        By default what the endpoint says.

    Raises
    ------
    MissingExtraError
        The official client is not installed.
    EndpointError
        The service needs a key, and there is none.
    """

    def __init__(self, endpoint: Endpoint, account: Account, policy: RetryPolicy | None = None) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError("Asking a service", "mllm") from error
        self.endpoint, self._account = endpoint, account
        self._policy = policy or RetryPolicy(endpoint.attempts, endpoint.patience)
        self._key = os.environ.get(endpoint.key_variable, "").strip() if endpoint.key_variable else ""
        if not self._key and endpoint.base_url == PUBLIC_URL:
            raise EndpointError(
                f"{endpoint.base_url} needs a key: put it into the environment variable {endpoint.key_variable}, or "
                "set base_url to a service that needs none."
            )
        self.stopped = threading.Event()
        self._client = openai.OpenAI(
            base_url=endpoint.base_url, api_key=self._key or _NO_KEY, timeout=endpoint.timeout, max_retries=0
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def send(self, request: Mapping[str, Any], size: Size, seed: str) -> Reply:
        """Send a request until it is answered, or is not worth while.

        Parameters
        ----------
        request : mapping
            Of the chat API.
        size : Size
        seed : str
            Decides the jitter between attempts.

        Returns
        -------
        Reply
            With `failure` set where no answer came.

        Raises
        ------
        BudgetError
            The next attempt could cost more than what is left.
        EndpointError
            The service lets nothing of this kind through, or cannot be reached and has never answered anything, so that
            nothing more shall be sent.
        StoppedError
            `stopped` was set meanwhile.
        """
        rng, waited, attempt = random.Random(seed), 0.0, 0
        while True:
            reply = self._attempt(request, size)
            if isinstance(reply, Reply):
                return reply
            attempt += 1
            if reply.then == "stop":
                raise EndpointError(f"{self.endpoint.base_url} {reply.sentence} {self._advice()}")
            if reply.unreached and attempt >= min(_DIALLED, self._policy.attempts) and not self._has_answered():
                raise EndpointError(
                    f"{self.endpoint.base_url} could not be reached: {reply.sentence}. See that the service runs "
                    "there, and look at base_url."
                )
            wait = None
            if reply.then == "again":
                wait = self._policy.wait(attempt, waited, reply.wait, rng)
            if wait is None:
                return Reply(images=size.images, failure=reply.outcome, detail=reply.sentence)
            if reply.wait is not None:
                self._account.pause(reply.wait)  # nobody else need try before
            self._sleep(wait)
            waited += wait

    def _attempt(self, request: Mapping[str, Any], size: Size) -> Reply | Failure:
        entry, wait = self._account.admit(size)
        sent = False
        try:
            self._sleep(wait)
            sent = True
            reply = _reply(self._client.chat.completions.create(**request), size.images)
        except Exception as error:
            failure = failure_of(error, self._censored) if sent else None
            if failure is None:
                self._account.cancel(entry)
                raise
            (self._account.lose if failure.billed else self._account.cancel)(entry)
            return failure
        except BaseException:
            # Ctrl-C: a request under way stays open in the account, at its highest cost.
            if not sent:
                self._account.cancel(entry)
            raise
        if isinstance(reply, Failure):
            self._account.lose(entry)
        else:
            self._account.settle(entry, reply.tokens_in, reply.tokens_out)
        return reply

    def _has_answered(self) -> bool:
        """Say whether the service ever did: one that has is waited for, because it may be about to start again."""
        return self._account.statement().requests > 0

    def _sleep(self, seconds: float) -> None:
        if self.stopped.wait(max(0.0, seconds)):
            raise StoppedError("The run was stopped before this question was sent.")

    def _advice(self) -> str:
        variable = self.endpoint.key_variable
        key = f"the key in {variable}" if variable else "key_variable, for no key was sent"
        return (
            f"Look at base_url, model ({self.endpoint.model}) and {key}; the same command goes on with what is not "
            "answered yet."
        )

    def _censored(self, text: str) -> str:
        return text.replace(self._key, _HIDDEN) if self._key else text


def _reply(answer: Any, images: int) -> Reply | Failure:
    """Read what the client made of an answer, which it does not check."""
    choices = getattr(answer, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if message is None:
        return Failure("again", "failed", True, "what came back is no chat completion")
    usage = getattr(answer, "usage", None)
    text, refusal = getattr(message, "content", None), getattr(message, "refusal", None)
    return Reply(
        text=text if isinstance(text, str) else None,
        refusal=str(refusal) if refusal else None,
        finish=getattr(choice, "finish_reason", None),
        tokens=_tokens(getattr(choice, "logprobs", None)),
        tokens_in=_count(getattr(usage, "prompt_tokens", None)),
        tokens_out=_count(getattr(usage, "completion_tokens", None)),
        images=images,
    )


def _tokens(logprobs: Any) -> tuple[Alternatives, ...]:
    content = getattr(logprobs, "content", None)
    if not isinstance(content, list):
        return ()
    try:
        return tuple(
            Alternatives(str(one.token), tuple((str(o.token), float(o.logprob)) for o in one.top_logprobs or ()))
            for one in content
        )
    except (AttributeError, TypeError, ValueError):
        return ()  # of another form than the API has: as good as none


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
