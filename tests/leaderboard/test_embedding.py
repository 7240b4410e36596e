from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders import ForensicEncoder
from morelli.errors import MorelliError
from morelli.leaderboard import embedding
from morelli.leaderboard.embedding import attack_board, attack_encoder

from ._planted_boards import planted


def test_without_weights_the_default_is_forensic(monkeypatch):
    monkeypatch.setattr(embedding, "is_here", lambda spec: False)
    assert attack_encoder().name == ForensicEncoder().name
    assert attack_encoder("forensic").name == ForensicEncoder().name


def test_of_a_pretrained_network_only_the_embedding_is_taken(monkeypatch):
    asked = []
    monkeypatch.setattr(embedding, "make_pretrained", lambda name, sightings: asked.append((name, sightings)))
    monkeypatch.setattr(embedding, "is_here", lambda spec: True)
    with pytest.raises(MorelliError):
        attack_encoder("nobody")
    attack_encoder(embedding.WELCOME)
    [(name, sightings)] = asked
    assert name == embedding.WELCOME
    assert (sightings.crops, sightings.resized, sightings.embedding) == ((), (), True)
    with pytest.raises(MorelliError):
        attack_encoder("nobody")
    monkeypatch.setattr(embedding, "join_encoders", asked.append)
    attack_encoder()
    assert asked[-1] == embedding.DESK


def test_embeddings_are_taken_as_they_are(monkeypatch):
    board = planted(d=4)
    for blocks, same in (({"clip/embedding": slice(0, 4)}, True), ({"a": slice(0, 2), "b": slice(2, 4)}, False)):
        given = type(board)(board.X, board.model, board.prompt, board.models, board.prompts, blocks=blocks)
        monkeypatch.setattr(embedding, "measure_board", lambda *_, given=given, **__: given)
        assert np.array_equal(attack_board(None, None).X, given.X) == same
