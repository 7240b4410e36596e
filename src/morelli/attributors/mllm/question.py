"""Questions: what is shown, what is asked, and in which form it may be answered."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli.attributors.mllm.account import Size
from morelli.attributors.mllm.settings import Endpoint

__all__ = ["Picture", "Question", "request_of", "size_of"]

Pixels = NDArray[np.uint8]

_QUALITY: Final = 95


class Picture:
    """An image to be shown. What it is sent as is made once, because an exemplar is shown in many questions.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    """

    __slots__ = ("_urls", "pixels")

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self._urls: dict[tuple[int, str], str] = {}

    def image(self, side: int) -> Image.Image:
        """Return it with at most `side` pixels at its longer side; bicubic with antialiasing where it is reduced."""
        picture = Image.fromarray(self.pixels)
        longest = max(picture.size)
        if longest <= side:
            return picture
        width, height = (max(1, round(length * side / longest)) for length in picture.size)
        return picture.resize((width, height), Image.Resampling.BICUBIC)

    def url(self, side: int, image_format: str) -> str:
        """Return it as a data URL in JPEG (quality 95, no subsampling) or PNG."""
        key = (side, image_format)
        if key not in self._urls:
            stream = io.BytesIO()
            if image_format == "png":
                self.image(side).save(stream, "PNG")
            else:
                self.image(side).save(stream, "JPEG", quality=_QUALITY, subsampling=0)
            data = base64.b64encode(stream.getvalue()).decode()
            self._urls[key] = f"data:image/{image_format};base64,{data}"
        return self._urls[key]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question about images.

    Attributes
    ----------
    system : str
        What the model is told that it does.
    parts : tuple of str or Picture
        Texts and images in the order in which they are shown.
    answers : mapping of str to tuple of str
        Keys of the JSON object that is the answer, and the words that each may hold.
    """

    system: str
    parts: tuple[str | Picture, ...]
    answers: Mapping[str, tuple[str, ...]]

    @property
    def pictures(self) -> list[Picture]:
        """The images, in order."""
        return [part for part in self.parts if not isinstance(part, str)]

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of an answer."""
        return {
            "type": "object",
            "properties": {key: {"type": "string", "enum": list(words)} for key, words in self.answers.items()},
            "required": list(self.answers),
            "additionalProperties": False,
        }


def request_of(question: Question, endpoint: Endpoint, *, side: int, image_format: str) -> dict[str, Any]:
    """Return what is sent to the chat API.

    Parameters
    ----------
    question : Question
    endpoint : Endpoint
    side : int
        Pixels of images' sides at most.
    image_format : {"jpeg", "png"}
    """
    content: list[dict[str, Any]] = []
    for part in question.parts:
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        else:
            image = {"url": part.url(side, image_format)}
            content.append(
                {"type": "image_url", "image_url": image | ({"detail": endpoint.detail} if endpoint.detail else {})}
            )
    request: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": "system", "content": question.system}, {"role": "user", "content": content}],
        endpoint.limit_name: endpoint.answer_tokens,
    }
    if endpoint.temperature is not None:
        request["temperature"] = endpoint.temperature
    if endpoint.reasoning_effort:
        request["reasoning_effort"] = endpoint.reasoning_effort
    if endpoint.structured == "schema":
        form = {"name": "answer", "strict": True, "schema": question.schema()}
        request["response_format"] = {"type": "json_schema", "json_schema": form}
    elif endpoint.structured == "object":
        request["response_format"] = {"type": "json_object"}
    if endpoint.logprobs:
        request |= {"logprobs": True, "top_logprobs": endpoint.logprobs}
    return request


def size_of(question: Question, endpoint: Endpoint) -> Size:
    """Return how large a question is, for the account."""
    texts = [question.system, *(part for part in question.parts if isinstance(part, str)), str(question.schema())]
    length = sum(len(text.encode()) for text in texts)
    return Size(length, len(question.pictures), endpoint.image_tokens, endpoint.answer_tokens)
