"""Which embedding an attack uses when nobody says, and the board that it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from morelli.catalog import Catalog
from morelli.encoders import Encoder, FeatureCache, join_encoders
from morelli.encoders.default import WELCOME
from morelli.encoders.pretrained import Sightings, get_pretrained, is_here, list_pretrained, make_pretrained
from morelli.leaderboard.board import Board, measure_board

__all__ = ["attack_board", "attack_encoder", "standardised"]


def attack_encoder(name: str | None = None) -> Encoder:
    """Return what the attack of the paper embeds images with.

    Parameters
    ----------
    name : str, optional
        Of a pretrained network the final embedding of the whole image is taken (Naseh et al. 2026, section 3). Any
        other encoder, or several joined by ``+``, is taken as it is. By default the pretrained network that Morelli
        prefers, and the forensic families where it is not on this machine.

    Raises
    ------
    MorelliError
        There is none of this name, or its weights are not here.
    """
    if name is None:
        name = WELCOME if is_here(get_pretrained(WELCOME)) else "forensic"
    if name in {spec.name for spec in list_pretrained()}:
        return make_pretrained(name, sightings=Sightings(crops=(), resized=(), embedding=True))
    return join_encoders(name)


def attack_board(
    catalog: Catalog,
    encoder: Encoder,
    *,
    label: str = "model",
    cache: FeatureCache | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Board:
    """Embed the images of a catalog for attacks by distance.

    An embedding is taken as it is. Other features, whose columns have scales of their own, are standardised. Parameters
    and errors as for :func:`morelli.leaderboard.board.measure_board`.
    """
    board = measure_board(catalog, encoder, label=label, cache=cache, workers=workers, progress=progress)
    if all(name.endswith("embedding") for name in board.blocks):
        return board
    return standardised(board)


def standardised(board: Board) -> Board:
    """Return the board with each column at mean 0 and variance 1 over all of its images, and a note.

    Neither models nor prompts are looked at. A column that never varies becomes 0.
    """
    mean, spread = board.X.mean(axis=0, dtype=np.float64), board.X.std(axis=0, dtype=np.float64)
    X = (board.X - mean) / np.where(spread > 0, spread, 1.0)
    note = "Features are no single embedding: each was brought to variance 1 over all images before distances."
    return replace(board, X=X.astype(np.float32), notes=(*board.notes, note))
