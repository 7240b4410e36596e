from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from morelli.catalog import build_catalog
from morelli.encoders import FeatureCache, extract, get_encoder
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.board import Board, measure_board

COLOUR = get_encoder("forensic[colour]")


def small() -> Board:
    """3 models, 3 prompts; nobody made anything for the last prompt, and one model alone made the second."""
    return Board(
        X=np.arange(24).reshape(6, 4),
        model=[0, 1, 2, 0, 0, 1],
        prompt=[0, 0, 0, 1, 1, 0],
        models=("ä", "b", "c"),
        prompts=("p", "q", "r"),
        texts=("sea", None, "sand"),
        lineages=("x", "x", None),
        blocks={"one": slice(0, 1), "two": slice(1, 4)},
    )


def test_what_is_left_out_is_filled_in():
    board = Board([[1, 2], [3, 4]], [0, 1], [0, 0], ("a", "b"), ("p",))
    assert board.X.dtype == np.float32 and board.model.dtype == board.prompt.dtype == np.int64
    assert (board.texts, board.domains, board.lineages) == ((None,), (None,), (None, None))
    assert board.blocks == {"embedding": slice(0, 2)}
    assert board.rows.tolist() == [0, 1] and board.notes == () and len(board) == 2


def test_counts_cells_and_contested():
    board = small()
    assert board.counts.tolist() == [[1, 2, 1], [2, 0, 0], [0, 0, 0]]
    assert board.cell.tolist() == [0, 1, 2, 3, 3, 1]
    assert board.contested.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"X": np.zeros(6)}, r"needs embeddings \(n, d\)"),
        ({"X": np.zeros((5, 4))}, "a model and a prompt for each"),
        ({"model": [0, 1]}, "a model and a prompt for each"),
        ({"rows": [1, 2]}, "a model and a prompt for each"),
        ({"model": [0, 1, 2, 0, 0, 3]}, "The codes of model are 0 to 2, not 0 to 3"),
        ({"prompt": [0, 0, 0, 1, 1, -1]}, "The codes of prompt are 0 to 2, not -1 to 1"),
        ({"X": np.full((6, 4), np.nan)}, "finite"),
        ({"X": np.full((6, 4), np.inf)}, "finite"),
        ({"texts": ("sea",)}, "one of texts for each of 3, not 1"),
        ({"domains": ("sea",)}, "one of domains for each of 3, not 1"),
        ({"lineages": ("x",) * 4}, "one of lineages for each of 3, not 4"),
    ],
)
def test_what_does_not_fit_together(wrong, message):
    board = small()
    fields = ("X", "model", "prompt", "models", "prompts", "texts", "lineages", "blocks")
    with pytest.raises(MorelliError, match=message):
        Board(**{name: getattr(board, name) for name in fields} | wrong)


def test_an_empty_board():
    board = Board(np.zeros((0, 3)), [], [], ("a",), ("p",))
    assert len(board) == 0 and board.counts.tolist() == [[0]] and not board.contested.any()
    assert len(board.take([]).only(["a"])) == 0


# -- of arrays ---------------------------------------------------------------------------------------------------------


def test_names_are_sorted_and_text():
    board = Board.of([[1.0], [2.0], [3.0]], ["b", "ä", "b"], ["2", "1", "1"], texts={"2": "two", "9": "nine"})
    assert board.models == ("b", "ä") and board.prompts == ("1", "2")
    assert [board.models[code] for code in board.model] == ["b", "ä", "b"]
    assert board.texts == (None, "two")
    assert {type(name) for name in (*board.models, *board.prompts)} == {str}


def test_rows_that_are_not_finite_are_left_out_with_a_note():
    X = np.array([[1, 2], [np.nan, 0], [3, 4], [0, np.inf], [5, 6]])
    board = Board.of(X, list("abcab"), list("ppppp"))
    assert board.rows.tolist() == [0, 2, 4]
    assert board.X.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [board.models[code] for code in board.model] == ["a", "c", "b"]
    assert board.notes == ("2 of 5 embeddings are not finite: left out.",)
    assert Board.of(X[:1], ["a"], ["p"]).notes == ()


@pytest.mark.parametrize("given", [([1.0, 2.0], ["a"], ["p"]), ([[1.0]], ["a", "b"], ["p"]), ([[1.0]], ["a"], [])])
def test_arrays_that_do_not_fit(given):
    with pytest.raises(MorelliError, match=r"needs embeddings \(n, d\) and a model and a prompt for each"):
        Board.of(*given)


# -- parts of a board --------------------------------------------------------------------------------------------------


def test_take_keeps_all_names():
    board = small()
    for index in ([4, 0], np.array([True, False, False, False, True, False])):
        part = board.take(index)
        at = np.flatnonzero(index) if np.asarray(index).dtype == bool else np.asarray(index)
        assert part.rows.tolist() == at.tolist()
        assert np.array_equal(part.X, board.X[at])
        assert (part.models, part.prompts, part.texts, part.blocks) == (
            board.models, board.prompts, board.texts, board.blocks
        )  # fmt: skip
    assert board.take([4, 0]).counts.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]  # not those of the whole


def test_only_some_models():
    part = small().only(["c", "ä"])
    assert part.models == ("ä", "c") and part.lineages == ("x", None)
    assert part.rows.tolist() == [0, 2, 3, 4] and part.model.tolist() == [0, 1, 0, 0]
    assert part.contested.tolist() == [True, False, False]
    with pytest.raises(MorelliError, match="Not on the board: nobody; there are: ä, b, c"):
        small().only(["ä", "nobody"])
    assert len(small().only([])) == 0


def test_some_columns():
    board = small()
    turned = board.columns("two", "one")
    assert turned.blocks == {"two": slice(0, 3), "one": slice(3, 4)}
    assert np.array_equal(turned.X, board.X[:, [1, 2, 3, 0]])
    assert np.array_equal(turned.columns("one").X, board.columns("one").X)
    for wrong in ((), ("three",), ("one", "three")):
        with pytest.raises(MorelliError, match="there are: one, two"):
            board.columns(*wrong)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_laws(seed, n):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[rng.random(n) < 0.2, 1] = np.nan
    model, prompt = [f"m{i}" for i in rng.integers(4, size=n)], [f"p{i}" for i in rng.integers(5, size=n)]
    board = Board.of(X, model, prompt)
    assert board.counts.sum() == len(board) == np.isfinite(X).all(axis=1).sum()
    assert [board.models[code] for code in board.model] == [model[row] for row in board.rows]
    assert [board.prompts[code] for code in board.prompt] == [prompt[row] for row in board.rows]
    chosen = [name for name in board.models if rng.random() < 0.5]
    part = board.only(chosen)
    assert part.models == tuple(chosen)
    assert part.rows.tolist() == [row for row in board.rows.tolist() if model[row] in chosen]
    index = rng.permutation(len(board))
    assert np.array_equal(board.take(index).counts, board.counts)
    assert np.array_equal(board.take(index).take(np.argsort(index)).X, board.X)


# -- of a catalog ------------------------------------------------------------------------------------------------------


def write(folder, rows, columns="path,model,prompt_id,prompt,domain,lineage"):
    """Write pictures of noise, each file once, and return their catalog."""
    for number, name in enumerate(dict.fromkeys(row.split(",")[0] for row in rows)):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 72, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "images.csv").write_text("\n".join([columns, *rows]), encoding="utf-8")
    return build_catalog(folder / "images.csv")


ROWS = [
    "0.png,b,p,sea,nature,x",
    "1.png,ä,p,sea,nature,",
    "2.png,b,q,sand,,x",
    "3.png,ä,q,sand,city,",
]


def test_a_catalog_is_measured(tmp_path):
    catalog = write(tmp_path, ROWS)
    board = measure_board(catalog, COLOUR, workers=1)
    assert (board.models, board.prompts) == (("b", "ä"), ("p", "q"))
    assert (board.texts, board.domains, board.lineages) == (("sea", "sand"), ("nature", "city"), ("x", None))
    assert board.model.tolist() == [0, 1, 0, 1] and board.prompt.tolist() == [0, 0, 1, 1]
    assert board.blocks == dict(COLOUR.blocks) and board.notes == ()
    assert np.array_equal(board.X, extract(catalog, COLOUR, workers=1).X)


def test_a_file_that_is_there_twice_counts_once_for_a_model_and_a_prompt(tmp_path):
    rows = [*ROWS, "0.png,b,p,sea,nature,x", "0.png,b,q,sand,,x", "0.png,ä,p,sea,nature,"]
    board = measure_board(write(tmp_path, rows), COLOUR, workers=1)
    assert board.rows.tolist() == [0, 1, 2, 3, 5, 6]  # of another prompt or model it is another image
    assert board.notes == ("1 images repeat a file of the same model and prompt: left out.",)


def test_what_cannot_be_used_is_left_out_with_a_note(tmp_path):
    rows = [*ROWS, "4.png,,p,sea,,", "5.png,b,,,,", "6.png,b,p,sea,,", "7.png,ä,p,sea,,"]
    write(tmp_path, rows)
    (tmp_path / "6.png").write_bytes(b"no image")
    Image.new("RGB", (3, 3)).save(tmp_path / "7.png")
    catalog = build_catalog(tmp_path / "images.csv")
    cache = FeatureCache(tmp_path / "cache.sqlite")
    board = measure_board(catalog, COLOUR, workers=1, cache=cache)
    assert board.rows.tolist() == [0, 1, 2, 3]
    assert board.notes == (
        "2 of 8 images cannot be read or measured: left out.", "2 of 8 images have no model or no prompt: left out."
    )  # fmt: skip
    again = measure_board(catalog, COLOUR, workers=1, cache=cache)
    assert np.array_equal(board.X, again.X)


def test_another_label_and_prompts_by_their_text(tmp_path):
    catalog = write(tmp_path, [row.replace(",p,", ",,").replace(",q,", ",,") for row in ROWS])
    board = measure_board(catalog.with_column("lineage", ["one", "two"] * 2), COLOUR, label="lineage", workers=1)
    assert (board.models, board.prompts) == (("one", "two"), ("sand", "sea"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row.replace("ä", "b") for row in ROWS], "two models or more; 1 in this catalog"),
        ([f"{i}.png,{m},,,," for i, m in enumerate("abab")], "two models or more; 0 in this catalog"),
        (["0.png,a,p,,,", "1.png,b,q,,,"], "No prompt has images of two models"),
    ],
)
def test_too_little(tmp_path, rows, message):
    with pytest.raises(NotEnoughDataError, match=message):
        measure_board(write(tmp_path, rows), COLOUR, workers=1)


def test_a_column_that_there_is_not(tmp_path):
    with pytest.raises(MorelliError, match="no column 'nothing'"):
        measure_board(write(tmp_path, ROWS), COLOUR, label="nothing", workers=1)
