"""Which embedding an attack uses when nobody says, and the board that it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from morelli.attributors.prompts import embedding_of
from morelli.catalog import Catalog
from morelli.encoders import Encoder, FeatureCache, join_encoders
from morelli.encoders.default import WELCOME
from morelli.encoders.pretrained import Sightings, get_pretrained, is_here, list_pretrained, make_pretrained
from morelli.leaderboard.board import Board, measure_board
from morelli.leaderboard.scaling import standardised

__all__ = ["DESK", "attack_board", "attack_encoder", "desk_encoder", "distance_encoder"]

DESK = f"{WELCOME}[crops4,resized4,resized6,embedding]+forensic"
"""What the desk measures images with where nobody says and the network was fetched; attacks by distance read its
embedding."""


def desk_encoder() -> str:
    """Return what the commands of this desk measure images with when nobody says; once for all of them."""
    return DESK if is_here(get_pretrained(WELCOME)) else "forensic"


def attack_encoder(name: str | None = None) -> Encoder:
    """Return what the attack of the paper embeds images with.

    Parameters
    ----------
    name : str, optional
        Of a pretrained network the final embedding of the whole image is taken (Naseh et al. 2026, section 3). Any
        other encoder, or several joined by ``+``, is taken as it is. By default that of `desk_encoder`.

    Raises
    ------
    MorelliError
        There is none of this name, or its weights are not here.
    """
    if name is None:
        name = desk_encoder()
    if name in {spec.name for spec in list_pretrained()}:
        return make_pretrained(name, sightings=Sightings(crops=(), resized=(), embedding=True))
    return join_encoders(name)


def distance_encoder(encoder: Encoder) -> Encoder:
    """Return the part of an encoder that attacks by distance read: the network with the embedding, or all of it.

    Whoever measures changed images again and again need not measure what is not read.
    """
    embedding = embedding_of(encoder.blocks)
    return encoder if embedding is None else attack_encoder(embedding.rpartition("/")[0])


def attack_board(
    catalog: Catalog,
    encoder: Encoder,
    *,
    families: Sequence[str] | None = None,
    standardise: bool | None = None,
    label: str = "model",
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Board:
    """Embed the images of a catalog for attacks by distance.

    Parameters
    ----------
    catalog : Catalog
    encoder : Encoder
    families : sequence of str, optional
        Which families of features are taken; by default the embedding, and all where there is none.
    standardise : bool, optional
        Whether columns are scaled, see :func:`morelli.leaderboard.scaling.standardised`; by default where what is taken
        is no embedding.
    label, cache, workers, progress
        As for :func:`morelli.leaderboard.board.measure_board`, and errors likewise.
    """
    board = measure_board(catalog, encoder, label=label, cache=cache, workers=workers, progress=progress)
    embedding = embedding_of(board.blocks)
    if families is not None:
        board = board.columns(*families)
    elif embedding is not None and len(board.blocks) > 1:
        board = board.columns(embedding)
    if standardise is None:
        standardise = list(board.blocks) != [embedding]
    return standardised(board) if standardise else board
