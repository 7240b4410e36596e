from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.attributors.prompts import texts as module
from morelli.attributors.prompts.texts import (
    WordEmbedder,
    list_text_embedders,
    make_text_embedder,
    nearest_texts,
    register_text_embedder,
)
from morelli.errors import MorelliError, NetworkError, NotEnoughDataError

PROMPTS = [
    "A girl is lost in the forest",
    "The girl met a scary looking ogre",
    "An octopus riding a skateboard",
    "Noah's ark painting by Picasso",
    "Ein Café in Zürich, naïve Kunst",
    "猫が月の上で踊る",
]


def test_words_are_unit_vectors_and_every_text_finds_itself():
    embedder = make_text_embedder("words").fit(PROMPTS)
    vectors = embedder.transform(PROMPTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(nearest_texts(vectors, vectors), np.arange(6))


def test_reworded_texts_find_theirs_and_nonsense_finds_nothing():
    embedder = WordEmbedder().fit(PROMPTS)
    asked = ["lost girl, forest", "skateboarding octopus", "picasso's ark", "cafe in zurich", "qqxxzz", "", "  "]
    found = nearest_texts(embedder.transform(asked), embedder.transform(PROMPTS))
    assert found.tolist() == [0, 2, 3, 4, -1, -1, -1]


def test_all_directions_lose_nothing_of_what_texts_share():
    """Cosines of the texts that were learned are those of TF-IDF itself."""
    embedder = WordEmbedder().fit(PROMPTS)
    full = embedder._weighted(PROMPTS).toarray()
    full /= np.linalg.norm(full, axis=1, keepdims=True)
    vectors = embedder.transform(PROMPTS)
    np.testing.assert_allclose(vectors @ vectors.T, full @ full.T, atol=1e-5)
    assert WordEmbedder(components=2).fit(PROMPTS).transform(PROMPTS).shape == (6, 2)


def test_the_same_texts_give_the_same_vectors():
    first, second = (WordEmbedder(3).fit(PROMPTS).transform(PROMPTS) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_any_texts_can_be_embedded_or_are_refused(texts):
    try:
        embedder = WordEmbedder().fit(texts)
    except NotEnoughDataError:
        return
    norms = np.linalg.norm(embedder.transform(texts), axis=1)
    assert np.isfinite(norms).all()
    assert ((np.abs(norms - 1) < 1e-5) | (norms == 0)).all()


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(NotEnoughDataError, match="no text"):
        WordEmbedder().fit(["", " "])
    with pytest.raises(MorelliError, match="Fit the embedder"):
        WordEmbedder().transform(["a"])
    with pytest.raises(MorelliError, match="At least one direction"):
        WordEmbedder(0)


def test_nearest_looks_only_where_it_may_and_takes_the_first_of_equals():
    stored = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], dtype=np.float32)
    asked = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], dtype=np.float32)
    allowed = np.ones((4, 4), dtype=bool)
    allowed[1, 0] = False
    allowed[3] = [False, False, False, True]  # what is left says nothing
    assert nearest_texts(asked, stored, allowed).tolist() == [0, 1, -1, -1]
    assert nearest_texts(asked, stored[:0]).tolist() == [-1] * 4


def test_registry(monkeypatch):
    monkeypatch.setattr(module, "_EMBEDDERS", dict(module._EMBEDDERS))
    assert set(list_text_embedders()) == {"network", "words"}
    register_text_embedder("mine", summary="what I say")(lambda argument: WordEmbedder(int(argument)))
    assert make_text_embedder("mine:3").components == 3
    for name in ("mine", "a:b"):
        with pytest.raises(MorelliError, match="taken or holds a colon"):
            register_text_embedder(name, summary="")(lambda argument: WordEmbedder())
    with pytest.raises(MorelliError, match="there are: mine, network, words"):
        make_text_embedder("nobody")
    with pytest.raises(MorelliError, match="takes nothing after its name"):
        make_text_embedder("words:x")
    with pytest.raises(MorelliError, match="Name the folder"):
        make_text_embedder("network")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    torch = pytest.importorskip("torch", reason="needs the deep extra")
    pytest.importorskip("transformers", reason="needs the deep extra")
    torch.set_num_threads(1)
    from networks import tiny

    return tiny.clip(tmp_path_factory.mktemp("text") / "clip")


def test_a_network_embeds_texts_as_it_does_itself(clip):
    from morelli.networks import Place
    from morelli.networks.similarity import SimilarityNetwork

    texts = ["a photo of food", "an image of people", "", *["vehicles"] * 70]
    embedder = make_text_embedder(f"network:{clip}").fit(texts)
    vectors = embedder.transform(texts)
    expected = SimilarityNetwork(Place("clip", clip)).of_texts(texts[:2])
    np.testing.assert_allclose(vectors[:2], expected, atol=1e-5)
    assert (vectors[2] == 0).all()
    np.testing.assert_allclose(vectors[3:], vectors[3:4].repeat(70, axis=0), atol=1e-6)
    assert nearest_texts(vectors[:3], vectors[[1, 0]]).tolist() == [1, 0, -1]
    assert len(embedder.transform([])) == 0


def test_a_folder_without_a_network_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="holds no network"):
        make_text_embedder(f"network:{tmp_path}")
