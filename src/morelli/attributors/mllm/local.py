"""Multimodal models in this process, by transformers: every permitted answer is scored, and the likeliest is given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from morelli.attributors.mllm.answers_cache import AnswersCache, key_of
from morelli.attributors.mllm.asking import report_progress
from morelli.attributors.mllm.database import Database, default_answers_path
from morelli.attributors.mllm.question import Question
from morelli.attributors.mllm.reply import Alternatives, Reply
from morelli.attributors.mllm.settings import AskSettings, LocalModel
from morelli.errors import EndpointError, MissingExtraError, MorelliError, NetworkError
from morelli.networks.loading import device_of, load_model, require_libraries, runtime

__all__ = ["LocalAsker", "conditions_of", "weights_of"]

Float = NDArray[np.float64]

_FEATURE: Final = "A multimodal model in this process"

_CODE: Final = {"local_files_only": True, "trust_remote_code": False}
"""Nothing is downloaded, and no code that lies beside a model is run."""


class LocalAsker:
    """Scores every permitted answer by the log-likelihood that a model gives it.

    The model reads the question and the beginning of the JSON object up to where the answer stands. What each permitted
    word would add to the log-likelihood is compared, so that there is always an answer in the right form, and its
    probability is known. A word's tokens are those that it has by itself.

    Parameters
    ----------
    local : LocalModel
    asked : AskSettings
        How large images are shown.
    """

    def __init__(self, local: LocalModel, asked: AskSettings) -> None:
        self.local, self.asked = local, asked

    @property
    def name(self) -> str:
        """The last part of the model's folder or name."""
        return Path(self.local.model).name

    def ask(self, n: int, question: Callable[[int], Question]) -> list[Reply]:
        """Return the replies to questions 0 to `n` - 1; see `morelli.attributors.mllm.asking.Asker`."""
        account = f"{self.name} ({weights_of(self.local.model)})"
        kept = AnswersCache(Database(self.local.answers or default_answers_path()), account)
        replies = []
        report_progress(0, n)  # the first answer waits for the weights to be read
        for i in range(n):
            made = question(i)
            key = key_of(account, self._request(made))
            reply = kept.get(key)
            if reply is None:
                reply = self._answer(made)
                kept.put(key, reply)
            replies.append(reply)
            report_progress(i + 1, n)
        return replies

    def _request(self, question: Question) -> dict[str, Any]:
        """Return all that an answer depends on, beside the model."""
        pictures = (part.image(self.asked.image_side) for part in question.pictures)
        return {
            "system": question.system,
            "texts": [part if isinstance(part, str) else None for part in question.parts],
            "images": [hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() for picture in pictures],
            "schema": question.schema(),
            **conditions_of(self.local),
        }

    def _answer(self, question: Question) -> Reply:
        model = _load(self.local.model, *_place_of(self.local))
        prompt, tokens, count = model.prompt(question), [], 0
        text = "{"
        for number, (key, words) in enumerate(question.answers.items()):
            text += f'{", " if number else ""}{json.dumps(key)}: "'
            inputs = model.inputs(prompt + text, [part.image(self.asked.image_side) for part in question.pictures])
            count = int(inputs["input_ids"].shape[1])
            scores = log_softmax(model.scores(inputs, words))
            best = words[int(scores.argmax())]
            tokens.append(Alternatives(best, tuple(zip(words, scores.tolist(), strict=True))))
            text += f'{best}"'
        text += "}"
        return Reply(
            text=text,
            finish="stop",
            tokens=_spread(text, tokens),
            tokens_in=count,
            tokens_out=0,
            images=len(question.pictures),
        )


def _spread(text: str, answers: list[Alternatives]) -> tuple[Alternatives, ...]:
    """Put what stands between the answers into tokens of its own, so that all of them make up the text."""
    found: list[Alternatives] = []
    for answer in answers:
        before, _, text = text.partition(f'"{answer.token}"')
        found += [Alternatives(f'{before}"', ()), answer]
        text = f'"{text}'
    return (*found, Alternatives(text, ()))


class _Loaded:
    """A model and its processor."""

    def __init__(self, network: Any, processor: Any, device: str) -> None:
        self._network, self._processor, self._device = network, processor, device

    def prompt(self, question: Question) -> str:
        """Return the question as the model's chat template writes it, up to where the model goes on."""
        content = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in question.parts]
        messages = [
            {"role": "system", "content": [{"type": "text", "text": question.system}]},
            {"role": "user", "content": content},
        ]
        try:
            text: str = self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        except ValueError as error:
            raise EndpointError(f"This model has no chat template, so that it cannot be asked: {error}") from error
        return text

    def inputs(self, text: str, pictures: list[Any]) -> Mapping[str, Any]:
        """Return what the network reads."""
        made = self._processor(text=[text], images=pictures or None, return_tensors="pt")
        found: Mapping[str, Any] = made.to(self._device)
        return found

    def scores(self, inputs: Mapping[str, Any], words: tuple[str, ...]) -> Float:
        """Return the log-likelihood of each word after the text; one pass for all words that are one token."""
        ids = [self._processor.tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
        first = self._log_probabilities(inputs, [])[0]
        scores = np.empty(len(words))
        for i, own in enumerate(ids):
            scores[i] = first[own[0]]
            if len(own) > 1:
                rest = self._log_probabilities(inputs, own[:-1])[1:]
                scores[i] += sum(float(row[token]) for row, token in zip(rest, own[1:], strict=True))
        return scores

    def _log_probabilities(self, inputs: Mapping[str, Any], more: list[int]) -> Float:
        """Return log-probabilities of the tokens after the text and each of `more`, (1 + len(more), vocabulary)."""
        import torch

        shape = inputs["input_ids"].shape
        given = dict(inputs)
        for name, value in inputs.items():
            if more and getattr(value, "shape", None) == shape:
                # Beside the tokens there are masks (1 is read) and kinds of token (0 is text).
                fill = more if name == "input_ids" else [int(name == "attention_mask")] * len(more)
                given[name] = torch.cat([value, torch.tensor([fill], dtype=value.dtype, device=value.device)], dim=1)
        with torch.no_grad():
            logits = self._network(**given).logits[0, -1 - len(more) :]
        return np.asarray(torch.log_softmax(logits.double(), dim=-1).cpu().numpy(), dtype=np.float64)


def _place_of(local: LocalModel) -> tuple[str, str]:
    """Return the device and the precision that settings stand for; ``auto`` is left only for that of the file."""
    device = device_of()[0] if local.device == "auto" else local.device
    if local.dtype != "auto":
        return device, local.dtype
    return device, "auto" if device.startswith("cuda") else "float32"


def conditions_of(local: LocalModel) -> dict[str, str]:
    """Return what answers depend on beside the model and the question: where and by what it is run.

    Raises
    ------
    MissingExtraError
        torch or transformers is not installed.
    """
    device, dtype = _place_of(local)
    own = runtime("torch", "transformers", device=False)
    return {"device": device.partition(":")[0], "dtype": dtype, "runtime": own}


@cache
def _load(model: str, device: str, dtype: str) -> _Loaded:
    (transformers,) = require_libraries(_FEATURE, "transformers")
    try:
        network = load_model(transformers.AutoModelForImageTextToText, _folder_of(model), dtype=dtype, device=device)
    except NetworkError as error:
        raise EndpointError(
            f"{model} cannot be loaded as a multimodal model. {error} Name a folder with config.json, safetensors and "
            "the files of its processor; nothing is downloaded."
        ) from error
    return _Loaded(network, _processor(transformers, model), device)


def _processor(transformers: Any, model: str) -> Any:
    try:
        return transformers.AutoProcessor.from_pretrained(model, **_CODE)
    except ImportError:
        return _without_video(transformers, model)  # only what reads films needs torchvision, and there are none here


def _without_video(transformers: Any, model: str) -> Any:
    """Return the processor of a model that reads films too, without that part."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    kind = PROCESSOR_MAPPING[type(transformers.AutoConfig.from_pretrained(model, **_CODE))]

    class Pictures(kind):  # type: ignore[misc, valid-type]
        """Does not ask what its part for films is."""

        def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
            if name == "video_processor":
                return None
            return super().check_argument_for_proper_class(name, argument)

    tokenizer = transformers.AutoTokenizer.from_pretrained(model, **_CODE)
    images = transformers.AutoImageProcessor.from_pretrained(model, **_CODE)
    return Pictures(image_processor=images, tokenizer=tokenizer, chat_template=tokenizer.chat_template)


def _folder_of(model: str) -> Path:
    """Return the folder of a model; of a name in the hub's cache, the one that it means."""
    folder = Path(model)
    if folder.is_dir():
        return folder
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, local_files_only=True))
    except ImportError as error:
        raise MissingExtraError(_FEATURE, "deep") from error
    except (OSError, ValueError) as error:
        raise EndpointError(f"{model} is no folder, and the hub's cache holds no model of that name.") from error


@cache
def weights_of(model: str) -> str:
    """Return a hash that changes with the files of a model's folder; of a name in the hub's cache, the folder it means.

    Raises
    ------
    EndpointError
        There is no such folder.
    """
    folder = _folder_of(model)
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".jinja", ".safetensors", ".model"))
    if not any(path.suffix == ".safetensors" for path in files):
        raise MorelliError(f"{folder} holds no weights as safetensors.")
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            total.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:16]
