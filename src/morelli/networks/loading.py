"""Loading networks: safetensors only, no code from a repository, nothing from the net, and nothing made up."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from morelli.errors import MissingExtraError, MorelliError, NetworkError
from morelli.networks.devices import DEVICE_VARIABLE

__all__ = ["Loaded", "device_of", "load_model", "quiet", "require_libraries", "runtime", "told"]

_STRICT = {"local_files_only": True, "use_safetensors": True}


class Loaded:
    """A network with the device that it runs on.

    Attributes
    ----------
    model : torch.nn.Module
    device, dtype : str
        ``cuda`` and ``float16``, or ``cpu`` and ``float32``.
    """

    def __init__(self, model: Any, device: str, dtype: str) -> None:
        self.model, self.device, self.dtype = model, device, dtype

    @property
    def batch(self) -> int:
        """How many images are run together: one on a processor, which gains nothing and rounds otherwise in a batch."""
        return 8 if self.device.startswith("cuda") else 1

    def tensor(self, values: Any) -> Any:
        """Return numbers where the network is, in its precision."""
        import torch

        return torch.as_tensor(values).to(self.device, getattr(torch, self.dtype))


def device_of() -> tuple[str, str]:
    """Return where networks run, and in which precision: $MORELLI_DEVICE, or CUDA where there is one.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    """
    (torch,) = require_libraries("A network", "torch")
    device = os.environ.get(DEVICE_VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")
    return device, "float16" if device.startswith("cuda") else "float32"


def require_libraries(feature: str, *names: str) -> list[Any]:
    """Return modules of the ``deep`` extra.

    Raises
    ------
    MissingExtraError
        One is not installed.
    """
    try:
        return [import_module(name) for name in names]
    except ImportError as error:
        raise MissingExtraError(feature, "deep") from error


def runtime(*packages: str, device: bool = True) -> str:
    """Return the versions, the device and the precision that results depend on, in words."""
    words = []
    for package in packages:
        try:
            words.append(f"{package} {version(package)}")
        except PackageNotFoundError as error:
            raise MissingExtraError("A network", "deep") from error
    if device:
        where, dtype = device_of()
        words += [where.partition(":")[0], dtype]
    return ", ".join(words)


def load_model(kind: Any, folder: Path, *, dtype: str, device: str, **more: Any) -> Any:
    """Load a network that transformers or diffusers know.

    Parameters
    ----------
    kind : type
        Class of the network; nothing in the folder can choose another.
    folder : pathlib.Path
    dtype, device : str
        With ``auto``, transformers takes the precision of the file.
    **more
        For ``from_pretrained``.

    Returns
    -------
    torch.nn.Module
        Ready to be run.

    Raises
    ------
    NetworkError
        It cannot be loaded, or the file lacks weights, which would have been filled by random numbers.
    """
    import torch

    ours = kind.__module__.startswith("transformers.")
    strict = {**_STRICT, "trust_remote_code": False} if ours else _STRICT
    with told(folder, NetworkError, "cannot be loaded"), quiet():
        model, state = kind.from_pretrained(
            folder,
            **strict,
            **{"dtype" if ours else "torch_dtype": dtype if dtype == "auto" else getattr(torch, dtype)},
            **more,
            output_loading_info=True,
        )
    if lacking := sorted({*state["missing_keys"], *state["mismatched_keys"]}, key=str):
        # The library would go on with random numbers in their place.
        raise NetworkError(f"{folder}: the weights lack {lacking[0]} and {len(lacking) - 1} more.")
    return model.to(device).eval()


@contextmanager
def told(what: object, kind: type[MorelliError] = MorelliError, doing: str = "fails on this image") -> Iterator[None]:
    """Turn what torch, transformers, diffusers and safetensors raise, which has nothing in common, into our errors.

    Parameters
    ----------
    what : object
        The network, or its folder.
    kind : type
        `NetworkError` where the network is at fault, and not an image.
    doing : str
        What it does, for the sentence.
    """
    try:
        yield
    except MorelliError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise kind(f"{what}: the network {doing}. {reason}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep from the terminal what libraries say while they load: bars, and news of what is meant to be so."""
    with ExitStack() as stack:
        for name in ("transformers", "diffusers"):
            if name in sys.modules:
                logging = import_module(f"{name}.utils.logging")
                stack.callback(logging.set_verbosity, logging.get_verbosity())
                logging.set_verbosity_error()
                if logging.is_progress_bar_enabled():
                    stack.callback(logging.enable_progress_bar)
                    logging.disable_progress_bar()
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", FutureWarning)
        yield
