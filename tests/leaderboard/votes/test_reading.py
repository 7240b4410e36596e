from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.votes import LEFT, RIGHT, TIE, read_recognition, read_votes
from morelli.leaderboard.votes import reading as module


@pytest.fixture
def write(tmp_path):
    def make(text, name="votes.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return make


HEAD = "model_a,model_b,winner\n"


def test_words_and_names(write):
    votes = read_votes(write(HEAD + "a,b,model_a\nb,a,a\na,b,tie\na,b,model_b\nb,c,tie (bothbad)\n"))
    assert votes.models == ("a", "b", "c")
    assert votes.outcome.tolist() == [LEFT, RIGHT, TIE, RIGHT, TIE]
    assert votes.voter is None
    assert votes.time is None


def test_voters_times_other_columns_and_order_of_columns(write):
    text = "time,note,winner,voter,model_b,model_a\n2026-05-01T12:00:00,x,b,u2,b,a\n2026-05-01T12:00:10,,tie,u1,b,a\n"
    votes = read_votes(write(text))
    assert votes.voters == ("u1", "u2")
    assert votes.voter.tolist() == [1, 0]
    assert votes.time[1] - votes.time[0] == 10
    assert votes.outcome.tolist() == [RIGHT, TIE]
    assert read_votes(write("model_a,model_b,winner,time\na,b,a,1.5\n")).time.tolist() == [1.5]
    assert read_votes(write("model_a,model_b,winner,time\na,b,a,2026-05-01T12:00:00Z\n")).time is not None


def test_empty_optional_columns_are_absent(write):
    votes = read_votes(write("model_a,model_b,winner,voter,time\na,b,a,,\n"))
    assert votes.voter is None
    assert votes.time is None


def test_names_that_are_unusual(write):
    votes = read_votes(write(HEAD + 'Ünï 模型,NA,NA\nNA,"a,b ""c""",model_b\nnan,NA,tie\n'))
    assert votes.models == ("NA", 'a,b "c"', "nan", "Ünï 模型")
    assert votes.outcome.tolist() == [RIGHT, RIGHT, TIE]


@pytest.mark.parametrize("dictionary", [True, False])
def test_parquet(tmp_path, dictionary):
    columns = {name: pa.array(values) for name, values in (("model_a", ["a", "b"]), ("model_b", ["b", "a"]))}
    columns["winner"] = pa.array(["tie", "b"])
    if dictionary:
        columns = {name: values.dictionary_encode() for name, values in columns.items()}
    columns |= {"voter": pa.array([7, 3]), "time": pa.array([1, 2], pa.timestamp("s"))}
    path = tmp_path / "votes.parquet"
    pq.write_table(pa.table(columns), path)
    votes = read_votes(path)
    assert votes.outcome.tolist() == [TIE, LEFT]
    assert votes.voters == ("3", "7")
    assert votes.time.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (HEAD, "no votes"),
        ("model_a,winner\na,a\n", "column model_b is missing; there are: model_a, winner"),
        (HEAD + "a,b,a\na,b,c\n", r'row 2 \("c"\) has a winner'),
        (HEAD + "a,a,a\nb,b,tie\n", r'rows 1 \("a"\), 2 \("b"\) have the same model on both sides'),
        (HEAD + "a,b,a\n,b,b\n", "row 2 has no model_a"),
        (HEAD + "a,b,\n", "row 1 has no winner"),
        (HEAD + "a,b,x\n" * 5, "rows 1 .*, 2 .*, 3 .* and 2 more have a winner"),
        (HEAD + "tie,b,b\n", 'a model is called "tie"'),
        (HEAD + "model_a,b,b\n", 'a model is called "model_a"'),
        ("model_a,model_b,winner,voter\na,b,a,u\na,b,a,\n", "row 2 has no voter"),
        ("model_a,model_b,winner,time\na,b,a,1\na,b,a,\n", "row 2 has no time"),
        ("model_a,model_b,winner,time\na,b,a,noon\n", "neither a number of seconds nor a moment"),
        ("model_a,model_b,winner,time\na,b,a,inf\n", "no finite number"),
        (HEAD + "a,b\n", "cannot be read as a table"),
        ("model_a,model_a,model_b,winner\na,b,c,a\n", "more than once"),
        ("model_a,model_b,winner,voter,voter\na,b,a,x,y\n", "column voter is there more than once"),
    ],
)
def test_bad_tables(write, text, words):
    with pytest.raises(MorelliError, match=words):
        read_votes(write(text))


def test_nothing_to_read_is_not_enough(write):
    with pytest.raises(NotEnoughDataError):
        read_votes(write(HEAD))


def test_bounds(write, tmp_path, monkeypatch):
    path = write(HEAD + "a,b,a\n" * 20)
    with pytest.raises(MorelliError, match="more than 10 rows"):
        read_votes(path, most_votes=10)
    pq.write_table(
        pa.table({"model_a": ["a"] * 20, "model_b": ["b"] * 20, "winner": ["a"] * 20}), tmp_path / "v.parquet"
    )
    with pytest.raises(MorelliError, match="more than 10 rows"):
        read_votes(tmp_path / "v.parquet", most_votes=10)
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    with pytest.raises(MorelliError, match="larger than"):
        read_votes(path)
    monkeypatch.setattr(module, "MOST_BYTES", 10**9)
    monkeypatch.setattr(module, "MOST_MODELS", 1)
    with pytest.raises(MorelliError, match="different models"):
        read_votes(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(MorelliError, match="no such file"):
        read_votes(tmp_path / "nothing.csv")
    path = tmp_path / "bad.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(MorelliError, match="cannot be read"):
        read_votes(path)
    nested = tmp_path / "nested.parquet"
    pq.write_table(pa.table({"model_a": [["a"]], "model_b": ["b"], "winner": ["b"]}), nested)
    with pytest.raises(MorelliError, match="lists, not names"):
        read_votes(nested)


def test_recognition(write):
    known = read_recognition(write("truth,answer,n\na,a,8\na,b,1\na,,1\nb,b,9\nb,abstains,1\n"))
    assert known.models == ("a", "b")
    assert known.counts.tolist() == [[8, 1, 1], [0, 9, 1]]
    assert known.accuracy == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("truth,answer,n\n", "no answers"),
        ("truth,answer\na,a\n", "column n is missing"),
        ("truth,answer,n\na,z,1\n", "no image: z"),
        ("truth,answer,n\na,a,-1\n", "none of them negative"),
        ("truth,answer,n\na,a,many\n", "n holds numbers"),
        ("truth,answer,n\n,a,1\n", "no truth or no n"),
        ("truth,answer,n\na,a,0\n", "no answers to images of a"),
    ],
)
def test_bad_recognition(write, text, words):
    with pytest.raises(MorelliError, match=words):
        read_recognition(write(text, "confusion.csv"))
