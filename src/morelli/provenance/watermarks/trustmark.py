"""TrustMark, a watermark that carries an identifier: Bui et al., https://arxiv.org/abs/2311.18297; package trustmark.

The network's decoder always returns 100 bits. A BCH code over 96 of them and 4 bits that name its schema are what
tells a mark from none, and the weakest schema tells little: 7 in 100 random words are within reach of a code word of
schema 3. So what counts here is how many bits the code had to correct.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from math import comb
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from morelli._text import printable
from morelli.errors import MissingExtraError, MorelliError
from morelli.provenance.layers import Settings
from morelli.provenance.watermarks.detectors import Detection, register_detector

__all__ = ["FALSE_POSITIVE_RATE", "TrustMarkDetector", "chance_of_word"]

FALSE_POSITIVE_RATE: Final = 1e-6
"""Level of the test, if an unmarked image decodes to 100 bits of fair coins."""

_BITS = 100
_PROTECTED = 96
_CHECK_BITS: Final[Mapping[int, int]] = {0: 56, 1: 35, 2: 28, 3: 21}
"""Schema, and how many of its protected bits are redundant; ``trustmark/datalayer.py`` 0.9."""
_VARIANTS = ("B", "C", "P", "Q")
_WEIGHTS, _VARIANT = "trustmark.weights", "trustmark.variant"


class Word(NamedTuple):
    """A valid word of the code.

    Attributes
    ----------
    payload : str
        Zeros and ones.
    schema : int
    corrected : int
        Protected bits that were read otherwise.
    """

    payload: str
    schema: int
    corrected: int


class TrustMarkDetector:
    """Reads bits by the network, and tests whether they are a word of the code.

    The rate holds if unmarked images decode to fair coins; those of a network are not quite that, so that it is stated
    and not guaranteed. A word without payload, which a network that returns zeros would give, is none.

    Parameters
    ----------
    read_bits : callable
        From an image (PIL, RGB) to its bits, a text of 100 zeros and ones.
    read_word : callable
        From bits to the word of the code that they are within reach of, or None.
    variant : str
        Of the network, as a note.
    false_positive_rate : float
    """

    name = "trustmark"

    def __init__(
        self,
        read_bits: Callable[[Image.Image], str],
        read_word: Callable[[str], Word | None],
        variant: str,
        *,
        false_positive_rate: float = FALSE_POSITIVE_RATE,
    ) -> None:
        self._read_bits = read_bits
        self._read_word = read_word
        self._variant = variant
        self.false_positive_rate = false_positive_rate

    def detect(self, pixels: NDArray[np.uint8]) -> Detection:
        """Look at one image; see :class:`~morelli.provenance.watermarks.Detector`."""
        detail: dict[str, Any] = {"variant": self._variant}
        word = self._read_word(self._read_bits(Image.fromarray(pixels)))
        if word is None:
            return Detection(False, 1.0, detail={**detail, "note": "the bits are no word of the code"})
        p_value = chance_of_word(word.schema, word.corrected)
        detail |= {"schema": word.schema, "corrected": word.corrected}
        if "1" not in word.payload:
            return Detection(False, detail={**detail, "note": "the word of the code has no payload"})
        if p_value > self.false_positive_rate:
            note = "a word of the code, but one that random bits are too often close to"
            return Detection(False, p_value, detail={**detail, "note": note})
        return Detection(True, p_value, word.payload, claim="tool", value="TrustMark", detail=detail)


def chance_of_word(schema: int, corrected: int) -> float:
    """Return the chance that bits of fair coins are a word of the code after so few corrections, in any schema.

    Words within `corrected` bits of a code word, over all words; the four bits of the schema have to be right, and
    there are four schemas.

    Examples
    --------
    >>> f"{chance_of_word(3, 3):.2g} {chance_of_word(3, 0):.2g} {chance_of_word(0, 8):.2g}"
    '0.018 1.2e-07 5e-07'
    """
    within = sum(comb(_PROTECTED, count) for count in range(corrected + 1))
    return min(1.0, len(_CHECK_BITS) * within / 2.0 ** (_CHECK_BITS[schema] + 4))


def _make(settings: Settings) -> TrustMarkDetector | None:
    folder = settings.options.get(_WEIGHTS)
    if folder is None:
        return None
    variant = settings.options.get(_VARIANT, "Q")
    if variant not in _VARIANTS:
        raise MorelliError(f"There is no variant {printable(str(variant))!r} of TrustMark; there are B, C, P and Q.")
    package, code, checksums = _import()
    _verify(Path(folder), variant, checksums)
    return TrustMarkDetector(_open(package, Path(folder), variant), _reader_of_words(code), variant)


def _import() -> tuple[Any, Any, Mapping[str, str]]:
    """Return the package's class of networks, its class of codes, and the checksums of weights that it knows."""
    try:
        from trustmark.datalayer import DataLayer
        from trustmark.trustmark import MODEL_CHECKSUMS, TrustMark
    except ImportError as error:
        raise MissingExtraError("The watermark detector trustmark", "trustmark") from error
    except Exception as error:  # RuntimeError where torchvision does not fit torch
        raise MorelliError(f"The package trustmark cannot be imported ({type(error).__name__}: {error}).") from error
    return TrustMark, DataLayer, MODEL_CHECKSUMS


def _verify(folder: Path, variant: str, checksums: Mapping[str, str]) -> None:
    """Refuse weights that are missing or are not the published ones.

    The package would fetch others without asking, and its YAML file says which classes are made.
    """
    for name in (f"trustmark_{variant}.yaml", f"decoder_{variant}.ckpt"):
        try:
            with (folder / name).open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError as error:
            raise MorelliError(
                f"{folder / name}: weights of TrustMark cannot be read ({error.strerror}). Put the files of variant "
                f"{variant} that the package trustmark fetches into one folder, and name it as {_WEIGHTS}."
            ) from error
        if digest != checksums.get(name):
            raise MorelliError(f"{folder / name}: these are not the weights that the package trustmark knows (MD5).")


def _open(package: Any, folder: Path, variant: str) -> Callable[[Image.Image], str]:
    class Offline(package):  # type: ignore[misc]
        """Loads the decoder alone, from the folder alone."""

        def load_model(self, config_path: str, weight_path: str, device: str, secret_len: int, part: str) -> Any:
            if part != "decoder":
                return None
            config, weights = (str(folder / Path(path).name) for path in (config_path, weight_path))
            return super().load_model(config, weights, device, secret_len, part)

        def check_and_download(self, filename: str) -> None:
            """Do nothing: files were verified, and nothing is fetched."""

    network = Offline(
        use_ECC=False, verbose=False, secret_len=_BITS, device="cpu", model_type=variant, loadRemover=False
    )
    if network.decoder is None:
        raise MorelliError(f"{folder}: the package trustmark cannot load these weights.")
    return lambda image: str(network.decode(image, MODE="binary")[0])


def _reader_of_words(code: Any) -> Callable[[str], Word | None]:
    codes = {schema: code(_BITS, verbose=False, encoding_mode=schema) for schema in _CHECK_BITS}

    def read(bits: str) -> Word | None:
        packet = np.array([int(bit) for bit in bits], np.float32)
        payload, valid, schema = codes[0].decode_bitstream(packet[None], MODE="binary")[0]
        if not valid or schema not in codes:
            return None
        # Encoding again tells what was corrected, and whether all four bits of the schema are right: two are not read.
        sent = np.asarray(codes[schema].encode_binary([payload])[0])
        if len(bits) != _BITS or (sent != packet)[_PROTECTED:].any():
            return None
        return Word(payload, schema, int((sent != packet)[:_PROTECTED].sum()))

    return read


register_detector(
    "trustmark",
    _make,
    summary="TrustMark, which tools embed to find content credentials again (extra: trustmark; weights by path).",
    needs=f"the option {_WEIGHTS}: a folder with the weights, which Morelli does not fetch",
)
