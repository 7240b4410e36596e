"""Settings of attributors that ask, as words and numbers: where the endpoint is, what is asked, what it may cost."""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from morelli.errors import MorelliError

__all__ = ["PUBLIC_URL", "AskSettings", "Endpoint", "LocalModel", "deciding", "read_settings", "split_settings"]

PUBLIC_URL: Final = "https://api.openai.com/v1"
"""What the official client talks to where nothing else is said."""

_URL_VARIABLE: Final = "OPENAI_BASE_URL"
_PUBLIC_KEY_VARIABLE: Final = "OPENAI_API_KEY"

Settings = TypeVar("Settings")


def _only(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise MorelliError(f"{name} is one of {', '.join(allowed)}, not {value!r}.")


def _at_least(name: str, value: float | None, least: float) -> None:
    if value is not None and not value >= least:
        raise MorelliError(f"{name} is at least {least:g}, not {value:g}.")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service that speaks the chat API of OpenAI.

    The first settings decide what is answered. Those from `key_variable` on say what a question costs and how it is
    brought there, and no result depends on them.

    Parameters
    ----------
    model : str
        As the service calls it.
    base_url : str
        Ends in ``/v1`` with most services. Empty is $OPENAI_BASE_URL, or OpenAI where that is not set.
    temperature : float or None
        None, which a file writes as "none", leaves it out of the request, for models that refuse it.
    answer_tokens : int
        Most tokens of an answer. A model that thinks before it answers needs thousands.
    limit_name : {"max_tokens", "max_completion_tokens"}
        What the service calls that limit.
    reasoning_effort : str
        Empty leaves it out.
    structured : {"schema", "object", "none"}
        How the form of an answer is forced: by a JSON schema, as any JSON, or by the words of the question alone.
        Answers are read as strictly in every case.
    logprobs : int
        Alternatives of each token whose log-probabilities are asked for, from which confidence is taken; 0 asks for
        none, for models that refuse it.
    detail : str
        Resolution that the service shall look at images in, as OpenAI has it; empty leaves it out.
    key_variable : str
        Name of the environment variable that holds the key. Empty is OPENAI_API_KEY where the address is OpenAI's own,
        and no key anywhere else: a key is sent to nobody that it was not meant for. The key itself is no setting, and
        is written nowhere.
    price_in, price_out : float
        Of a million tokens read and written, in any one currency.
    price_image : float
        Of an image, for services that charge for images beside tokens.
    image_tokens : int
        Tokens that an image is expected to take, for estimates; what the service reports corrects them.
    budget : float or None
        Most money that this model at this address may cost, over all runs that share `answers`.
    rpm : float or None
        Most requests per minute, over all processes that share `answers`.
    concurrency : int
        Questions that one process has under way at once.
    timeout : float
        Seconds until a request counts as lost.
    attempts : int
        How often a question is sent at most.
    patience : float
        Seconds that a question may wait between attempts, in all.
    give_up : int
        Questions in a row that get no answer after all attempts before the run is stopped.
    answers : str
        File that answers and the account are kept in; empty is ``answers.sqlite`` where features are kept.

    Raises
    ------
    MorelliError
        A value makes no sense, or the address holds a user, a password or a query: a key does not belong there.
    """

    model: str
    base_url: str = ""
    temperature: float | None = 0.0
    answer_tokens: int = 64
    limit_name: str = "max_tokens"
    reasoning_effort: str = ""
    structured: str = "schema"
    logprobs: int = 5
    detail: str = ""
    key_variable: str = ""
    price_in: float = 0.0
    price_out: float = 0.0
    price_image: float = 0.0
    image_tokens: int = 400
    budget: float | None = None
    rpm: float | None = None
    concurrency: int = 4
    timeout: float = 120.0
    attempts: int = 6
    patience: float = 300.0
    give_up: int = 5
    answers: str = ""

    def __post_init__(self) -> None:
        url = (self.base_url or os.environ.get(_URL_VARIABLE, "").strip() or PUBLIC_URL).rstrip("/")
        object.__setattr__(self, "base_url", url)
        if not self.key_variable and url == PUBLIC_URL:
            object.__setattr__(self, "key_variable", _PUBLIC_KEY_VARIABLE)
        if not self.model.strip():
            raise MorelliError("Name the model that the endpoint shall answer with, as in model=NAME.")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MorelliError(f"The address of an endpoint begins with http:// or https://, not {url!r}.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise MorelliError(
                "The address of an endpoint holds no user, password or query: addresses are written beside results. "
                "Put the key into an environment variable, and name that as key_variable."
            )
        _only("limit_name", self.limit_name, ("max_tokens", "max_completion_tokens"))
        _only("structured", self.structured, ("schema", "object", "none"))
        for name in ("answer_tokens", "concurrency", "attempts", "give_up"):
            _at_least(name, getattr(self, name), 1)
        for name in ("temperature", "logprobs", "price_in", "price_out", "price_image", "image_tokens", "patience"):
            _at_least(name, getattr(self, name), 0)
        if self.timeout <= 0:
            raise MorelliError(f"timeout is a time in seconds above 0, not {self.timeout:g}.")
        if self.rpm is not None and self.rpm <= 0:
            raise MorelliError(f"rpm is above 0, not {self.rpm:g}.")
        if self.budget is not None:
            _at_least("budget", self.budget, 0)
            if not (self.price_in or self.price_out or self.price_image):
                raise MorelliError("A budget needs prices: set price_in and price_out, money for a million tokens.")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that is run in this process by transformers.

    Parameters
    ----------
    model : str
        Folder, or name of a model that the hub's cache holds. Nothing is downloaded.
    device : str
        ``auto`` is the first CUDA device, or the processor where there is none.
    dtype : {"auto", "float32", "bfloat16", "float16"}
        Of the weights; ``auto`` is that of the file on CUDA, and float32 on a processor.
    answers : str
        As for `Endpoint`.
    """

    model: str
    device: str = "auto"
    dtype: str = "auto"
    answers: str = ""

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise MorelliError("Name the folder of a model, as in model=FOLDER.")
        _only("dtype", self.dtype, ("auto", "float32", "bfloat16", "float16"))


@dataclass(frozen=True, slots=True)
class AskSettings:
    """What is shown and asked, whoever answers.

    Parameters
    ----------
    shots : int
        Exemplars of each candidate that are shown, at most; 0 shows none.
    names : {"shown", "hidden"}
        Whether candidates are named. A name carries what the model has read about it; hidden, only exemplars count.
    image_side : int
        Pixels of an image's sides at most; larger thumbnails are reduced.
    image_format : {"jpeg", "png"}
        How images are sent: JPEG of quality 95 without subsampling, or losslessly.
    doubt : float
        Share of the probability that is spread evenly over all candidates where there are no log-probabilities to take
        confidence from, in (0, 1).
    """

    shots: int = 1
    names: str = "shown"
    image_side: int = 512
    image_format: str = "jpeg"
    doubt: float = 0.5

    def __post_init__(self) -> None:
        _only("names", self.names, ("shown", "hidden"))
        _only("image_format", self.image_format, ("jpeg", "png"))
        _at_least("shots", self.shots, 0)
        _at_least("image_side", self.image_side, 16)
        if not 0.0 < self.doubt < 1.0:
            raise MorelliError(f"doubt lies between 0 and 1, not at {self.doubt:g}.")
        if self.shots == 0 and self.names == "hidden":
            raise MorelliError("Without exemplars and without names there is nothing to go by: show one of them.")


INCIDENTAL: Final = frozenset(
    {
        "key_variable", "price_in", "price_out", "price_image", "image_tokens", "budget", "rpm", "concurrency",
        "timeout", "attempts", "patience", "give_up", "answers",
    }
)  # fmt: skip
"""Settings that no answer depends on."""


def read_settings(kind: type[Settings], values: Mapping[str, Any], what: str) -> Settings:
    """Make settings of words and numbers.

    Parameters
    ----------
    kind : type
        One of the classes above.
    values : mapping
    what : str
        How a message calls them.

    Raises
    ------
    MorelliError
        A setting is unknown, lacking, or of the wrong kind.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    foreign = sorted(set(values) - set(known))
    if foreign:
        raise MorelliError(f"{what} has no setting {', '.join(foreign)}; there are: {', '.join(known)}.")
    lacking = [name for name, field in known.items() if field.default is MISSING and name not in values]
    if lacking:
        raise MorelliError(f"{what} lacks {', '.join(lacking)}.")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _fitting(what, name, value, hints[name]) for name, value in values.items()})


def split_settings(kind: type[Settings], options: Mapping[str, Any], what: str) -> tuple[Settings, AskSettings]:
    """Make the settings of who is asked, and of what is asked, from options that hold both."""
    own = {field.name for field in fields(AskSettings)}
    asked = read_settings(AskSettings, {name: value for name, value in options.items() if name in own}, what)
    return read_settings(kind, {name: value for name, value in options.items() if name not in own}, what), asked


def deciding(kind: type[Any], options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return all settings that an answer depends on, those included that `options` leaves to their defaults."""
    who, asked = split_settings(kind, options, what)
    every = {field.name: getattr(part, field.name) for part in (who, asked) for field in fields(part)}
    return {name: value for name, value in every.items() if name not in INCIDENTAL}


def _fitting(what: str, name: str, value: Any, hint: Any) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if type(None) in kinds and (value is None or value == "none"):  # TOML has no null
        return None
    kind = next(part for part in kinds if part is not type(None))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {str: "a word", int: "a whole number", float: "a number"}[kind]
        raise MorelliError(f"{what}: {name} is {words}, not {value!r}.")
    return value
