from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from _small import CENTROID, LOGISTIC, MODELS
from morelli.errors import MorelliError
from morelli.report.study import write_study
from morelli.studies import read_study, run_study
from morelli.studies.described import OwnStudy
from morelli.studies.described_checks import placed, short
from morelli.studies.findings import BarChart, HeatMap, LineChart
from morelli.studies.scaling import Scaling
from morelli.trials.cells import MEASURES

KIND = """
[study]
kind = "scaling"
catalog = "images.parquet"
seeds = 2
seed = 4
folds = 3
level = 0.8
attributors = ["{centroid}"]
settings = {{ references = [3, 5], wanted = 0.9 }}
"""

OWN = """
[study]
name = "domains é"
title = "Domains"
question = "Does it matter?"
catalog = "images.parquet"
attributors = ["{centroid}"]
folds = 2

[[trials]]
cell = {{ arm = "by domain" }}
train = {{ unless = {{ model = "nobody" }} }}
[trials.axes]
"train.per_class" = [3, 5]
"test.where.domain" = ["animals", "architecture", ["animals", "architecture"]]

[[trials]]
cell = {{ arm = "one fit" }}
attributor = "{logistic}"
test_view = "jpeg:50"
cross_validate = false
train = {{ where = {{ domain = "animals" }} }}
test = {{ where = {{ domain = "architecture" }} }}

[[table]]
name = "by-domain"
rows = "test domain"
columns = "per_class"

[[table]]
value = "n"
rows = "arm"
columns = "per_class"

[[figure]]
kind = "lines"
x = "per_class"
series = "test domain"

[[figure]]
kind = "bars"
rows = "test domain"
series = "per_class"
value = "lineage"

[[figure]]
kind = "heat-map"
rows = "test domain"
columns = "per_class"
value = "coverage"

[[figure]]
kind = "lines"
x = "per_class"
value = "set_size"
"""


def written(folder: Path, text: str, name: str = "study.toml") -> Path:
    path = folder / name
    path.write_text(text.format(centroid=CENTROID, logistic=LOGISTIC), encoding="utf-8")
    return path


def test_a_registered_one(small, tmp_path):
    described = read_study(written(tmp_path, KIND))
    assert described.study == Scaling(references=(3, 5), wanted=0.9)
    assert (described.catalog, described.join, described.split) == (tmp_path / "images.parquet", None, None)
    frame = described.frame(small.catalog)
    assert (frame.attributors, frame.seeds, frame.folds, frame.level) == ((CENTROID,), (4, 5), 3, 0.8)


def test_paths_start_from_the_file(tmp_path, monkeypatch):
    folder = tmp_path / "ein Ordner é"
    folder.mkdir()
    text = KIND.replace('catalog = "images.parquet"', 'catalog = "../b ü/c.parquet"\njoin = "more.csv"\nsplit = "test"')
    written(folder, text, "é study.toml")
    monkeypatch.chdir(tmp_path)
    described = read_study("ein Ordner é/é study.toml")
    assert described.catalog == Path("ein Ordner é/../b ü/c.parquet")
    assert described.join == Path("ein Ordner é/more.csv")
    assert described.split == "test"


@pytest.fixture(scope="module")
def own(small, tmp_path_factory):
    described = read_study(written(tmp_path_factory.mktemp("own"), OWN))
    frame = described.frame(small.catalog)
    return described, frame, run_study(described.study, frame, cache=small.cache, jobs=1)


def test_axes_are_multiplied(own):
    described, frame, _ = own
    trials = described.study.trials(frame)
    assert len(trials) == 2 * 3 * 2 + 1
    cells = list(dict.fromkeys(tuple(trial.cell.items()) for trial in trials))
    assert cells == [
        *((("arm", "by domain"), ("per_class", n), ("test domain", d))
          for n in (3, 5) for d in ("animals", "architecture", "animals, architecture")),
        (("arm", "one fit"),),
    ]  # fmt: skip
    first, last = trials[0], trials[-1]
    assert first.train.to_dict() == {"unless": {"model": ["nobody"]}, "per_class": 3}
    assert first.test.to_dict() == {"where": {"domain": ["animals"]}}
    assert trials[4].test.where == {"domain": ("animals", "architecture")}
    assert (first.attributor, first.test_view, first.fold.of) == (CENTROID, "none", 2)
    assert (last.attributor, last.test_view, last.fold) == (LOGISTIC, "jpeg:50", None)


def test_tables_are_the_cells(own):
    _, _, result = own
    cells = result.cells.to_pylist()
    everything, by_domain, counts = result.findings.tables
    assert len(everything.rows) == 7 == len(cells)
    assert [row[3] for row in everything.rows] == [cell["accuracy"] for cell in cells]
    assert by_domain.name == "by-domain"
    assert [column.title for column in by_domain.columns] == ["test domain", "3", "5"]
    held = {(cell["test domain"], cell["per_class"]): cell for cell in cells}
    for row in by_domain.rows:
        assert row[1:] == tuple(held[row[0], n]["accuracy"] for n in (3, 5))
    # Three cells share an arm and a number: each has a row of its own.
    assert counts.columns[0].title == "arm, test domain"
    assert [row[0] for row in counts.rows] == [f"by domain, {row[0]}" for row in by_domain.rows]
    assert [row[1:] for row in counts.rows] == [(held[d, 3]["n"], held[d, 5]["n"]) for d, *_ in by_domain.rows]
    assert counts.columns[1].kind == "count"
    best = max(cell["accuracy"] for cell in cells)
    assert (
        f"Best of 7 cells is arm {next(c for c in cells if c['accuracy'] == best)['arm']}"
        in result.findings.sentences[0]
    )


def test_figures_are_the_cells(own, tmp_path):
    _, _, result = own
    cells = result.cells.to_pylist()
    lines, bars, heat, sizes = result.findings.charts
    assert isinstance(lines, LineChart)
    assert isinstance(bars, BarChart)
    assert isinstance(heat, HeatMap)
    assert [series.name for series in lines.series] == ["animals", "architecture", "animals, architecture"]
    held = {(cell["test domain"], cell["per_class"]): cell for cell in cells}
    for series in lines.series:
        for point in series.points:
            cell = held[series.name, point.x]
            assert (point.y, point.low, point.high) == (cell["accuracy"], cell["low"], cell["high"])
    assert [bar.value for bar in bars.bars] == [cell["lineage"] for cell in cells]
    assert [bar.group for bar in bars.bars[:2]] == ["3", "3"]
    assert heat.values == tuple(tuple(held[d, n]["coverage"] for n in (3, 5)) for d in heat.rows)
    assert sizes.series[0].points[0].y == held["animals", 3]["set_size"]
    files = {path.name for path in write_study(result, tmp_path)}
    assert {"by-domain.csv", "figure-1.svg", "figure-4.png"} <= files


def test_provenance_holds_the_description(own):
    described, _, result = own
    assert (result.name, result.title, result.question) == ("domains é", "Domains", "Does it matter?")
    assert isinstance(described.study, OwnStudy)
    assert result.provenance.options["blocks"] == tuple(
        tomllib.loads(OWN.format(centroid=CENTROID, logistic=LOGISTIC))["trials"]
    )


def test_only_strangers_are_judged(small, tmp_path):
    """There is no accuracy, and the table says so."""
    text = f"""
    [study]
    catalog = "images.parquet"
    attributors = ["{CENTROID}"]
    folds = 2
    [[trials]]
    train = {{ unless = {{ model = "{MODELS[0]}" }} }}
    test = {{ where = {{ model = "{MODELS[0]}" }} }}
    """
    described = read_study(written(tmp_path, text.replace("{", "{{").replace("}", "}}")))
    frame = described.frame(small.catalog)
    result = run_study(described.study, frame, cache=small.cache, jobs=1)
    assert result.findings.sentences == ("No image of a candidate was judged.",)
    assert result.cells["n_unknown"].to_pylist() == [12]
    assert len(result.findings.tables[0].rows) == 1
    assert described.study.name == "study"


def test_dotted_places():
    block = {"train": {"where": {"a": 1}, "per_class": 2}, "options": {"C": 1}, "axes": {"x": [1]}}
    found = placed(block, {"train.where.b.c": 3, "test.per_class": 4, "options.C": 5, "test_view": "blur:1"})
    assert found == {
        "train": {"where": {"a": 1, "b.c": 3}, "per_class": 2}, "test": {"per_class": 4}, "options": {"C": 5},
        "test_view": "blur:1",
    }  # fmt: skip
    assert block["train"] == {"where": {"a": 1}, "per_class": 2}
    names = ("train.unless.domain", "test.where.a.b", "train.where.where", "test.per_class", "options.n.m")
    assert [short(name) for name in names] == [
        "train unless domain", "test a.b", "train where", "per_class", "n.m"
    ]  # fmt: skip


HEAD = '[study]\ncatalog = "c.parquet"\n'
TRIALS = HEAD + "[[trials]]\n"
CELL = TRIALS + "cell = { x = 1 }\n"
AXES = TRIALS + "[trials.axes]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[study", "is no TOML"),
        ('[study]\ncatalog = "a"\ncatalog = "b"', "is no TOML"),
        ("", "catalog has to name the images"),
        ("[study]\ncatalog = 3", "catalog has to name the images"),
        ("study = 3", "it is a table of names and values, not 3"),
        (HEAD, "either a kind, or trials of its own"),
        (HEAD + 'kind = "scaling"\n[[trials]]\n', "either a kind, or trials of its own"),
        (HEAD + 'colour = "red"', "[study]: nothing is called colour; there are: attributors, catalog"),
        (HEAD + "[more]", "nothing is called more; there are: figure, study, table, trials"),
        (HEAD + 'kind = "tea"', "No study is called 'tea'"),
        (HEAD + 'kind = ["scaling"]', "kind is ['scaling'], which it cannot be"),
        (HEAD + 'kind = "scaling"\nsettings = "none"', "settings is 'none', which it cannot be"),
        (HEAD + 'kind = "scaling"\nsettings = { colour = 3 }', 'has no setting "colour"'),
        (HEAD + 'kind = "scaling"\nsettings = { wanted = [1] }', "The setting wanted is a number, not [1]"),
        (HEAD + 'kind = "scaling"\n[[table]]\nrows = "a"', "[[table]] belongs to trials of one's own"),
        (HEAD + 'seeds = "3"\nkind = "scaling"', "seeds is '3', which it cannot be"),
        (HEAD + 'seeds = true\nkind = "scaling"', "seeds is True, which it cannot be"),
        (HEAD + 'folds = 2.5\nkind = "scaling"', "folds is 2.5"),
        (HEAD + 'attributors = "knn"\nkind = "scaling"', "attributors is 'knn'"),
        (HEAD + 'attributors = [3]\nkind = "scaling"', "attributors are named by words, not 3"),
        (HEAD + 'join = 3\nkind = "scaling"', "join is 3"),
        (HEAD + 'split = []\nkind = "scaling"', "split is []"),
        (HEAD + "settings = { a = 1 }\n[[trials]]", "settings belong to a kind"),
        (HEAD + "[trials]\n", "write [[trials]], with two brackets"),
        ("trials = []\n" + HEAD, "given as [[trials]], once or several times"),
        ("trials = [3]\n" + HEAD, "number 1: it is a table of names and values, not 3"),
        (TRIALS + 'colour = "red"', "[[trials]] number 1: nothing is called colour"),
        (TRIALS + "[[trials]]\naxes = 3", "[[trials]] number 2: axes is a table of names and values, not 3"),
        (TRIALS + 'cell = "here"', "cell is a table"),
        (TRIALS + "cell = { x = [1] }", "the coordinate x is a word or a number, not [1]"),
        (TRIALS + "cell = { day = 1979-05-27 }", "the coordinate day is a word or a number"),
        (TRIALS + "cell = { accuracy = 1 }", "number 1: Coordinates of trials are named otherwise"),
        (TRIALS + 'train = "all"', "train is a table"),
        (TRIALS + "options = 3", "options is a table"),
        (TRIALS + "straddle = 'false'", "straddle is true or false, not 'false'"),
        (TRIALS + "cross_validate = 0", "cross_validate is true or false, not 0"),
        (TRIALS + "attributor = 3", "attributor is a word, not 3"),
        (TRIALS + "test_view = ['a']", "test_view is a word"),
        (TRIALS + "train_views = [3]", "train_views are words"),
        (AXES + "colour = [1]", "there is nothing called colour to vary"),
        (AXES + "'train.were.a' = [1]", "there is nothing called train.were.a to vary"),
        (AXES + "'train.where' = [1]", "there is nothing called train.where to vary"),
        (AXES + "'train.per_class.x' = [1]", "there is nothing called train.per_class.x"),
        (AXES + "'attributor.x' = ['a']", "there is nothing called attributor.x"),
        (AXES + "'options' = [1]", "there is nothing called options"),
        (AXES + "'train' = [1]", "there is nothing called train"),
        (AXES + "'cell.x' = [1]", "there is nothing called cell.x"),
        (AXES + "test_view = 'none'", "an axis is a list of values, not 'none'"),
        (AXES + "test_view = []", "an axis is a list of values, not []"),
        (AXES + "test_view = [3]", "test_view is a word, not 3"),
        (AXES + "'options.C' = [{ a = 1 }]", "values of options.C are words and numbers"),
        (AXES + "'train.per_class' = [3]\n'test.per_class' = [3]", "two coordinates"),
        (TRIALS + "cell = { per_class = 1 }\n[trials.axes]\n'train.per_class' = [3]", "would be called per_class"),
        (CELL + "[[table]]\nrows = 'x'", "[[table]]: columns is one of the coordinates x, not None"),
        (CELL + "[[table]]\nrows = 'y'\ncolumns = 'x'", "rows is one of the coordinates x, not 'y'"),
        (CELL + "[[table]]\nrows = ['x']", "rows is a word, not ['x']"),
        (CELL + "[[table]]\nkind = 'bars'", "nothing is called kind"),
        (CELL + "[[table]]\nvalue = 'luck'", "luck is not measured; there are: n, "),
        (CELL + "[table]\nrows = 'x'", "write [[table]], with two brackets"),
        (CELL + "[[figure]]\nx = 'x'", "kind is one of lines, bars, heat-map, not None"),
        (CELL + "[[figure]]\nkind = 'pie'", "kind is one of lines, bars, heat-map, not 'pie'"),
        (CELL + "[[figure]]\nkind = 'lines'", "x is one of the coordinates x, not None"),
        (CELL + "[[figure]]\nkind = 'lines'\nx = 'x'\nseries = 'z'", "series is one of"),
        (CELL + "[[figure]]\nkind = 'bars'\nrows = 'x'\nvalue = 'n'", "bars show shares, and n is none"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, text, words):
    path = tmp_path / "é study.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MorelliError) as refused:
        read_study(path)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train = { were = {} }", "not were"),
        ("train = { per_class = 'three' }", "per_class is a whole number"),
        ("attributor = 'oracle'", "No attributor is called"),
        ("test_view = 'tea'", "tea"),
        ("train_views = ['none', 'none']", "one or more different"),
    ],
)
def test_what_trials_refuse(small, tmp_path, text, words):
    path = written(tmp_path, (TRIALS + text).replace("{", "{{").replace("}", "}}"))
    with pytest.raises(MorelliError) as refused:
        described = read_study(path)
        described.study.trials(described.frame(small.catalog))
    assert words in str(refused.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(MorelliError, match="cannot be read: No such file"):
        read_study(tmp_path / "nothing é.toml")
    with pytest.raises(MorelliError, match="cannot be read"):
        read_study(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MorelliError, match="is no TOML"):
        read_study(tmp_path / "bytes.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * ((4 << 20) + 1))
    with pytest.raises(MorelliError, match="more than 4 MiB"):
        read_study(tmp_path / "large.toml")


def test_all_measures_can_be_asked_for(tmp_path):
    tables = "".join(f"[[table]]\nvalue = '{name}'\nrows = 'x'\ncolumns = 'x'\n" for name in MEASURES)
    path = tmp_path / "study.toml"
    path.write_text(CELL + tables, encoding="utf-8")
    assert len(read_study(path).study.shown) == len(MEASURES)


def test_background_is_a_selection(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        '[study]\ncatalog = "x.csv"\n[[trials]]\ntrain = {where = {model = ["a", "b"]}}\n'
        'background = {unless = {model = ["a", "b"]}}\n[trials.axes]\n"background.per_class" = [1, 2]\n',
        encoding="utf-8",
    )
    blocks = read_study(path).study.blocks
    assert blocks[0]["background"] == {"unless": {"model": ["a", "b"]}}
    path.write_text(path.read_text(encoding="utf-8").replace("unless", "without"), encoding="utf-8")
    with pytest.raises(MorelliError, match="without"):
        read_study(path)


def test_an_axis_that_nobody_named_puts_no_two_cells_at_one_place(small, tmp_path):
    """Lines that jump between views look like a trend."""
    text = f"""
    [study]
    catalog = "images.parquet"
    folds = 2
    [[trials]]
    [trials.axes]
    "train.per_class" = [3, 5]
    attributor = ["{CENTROID}", "{LOGISTIC}"]
    test_view = ["none", "jpeg:50"]
    [[table]]
    rows = "attributor"
    columns = "test_view"
    [[figure]]
    kind = "lines"
    x = "per_class"
    series = "attributor"
    [[figure]]
    kind = "bars"
    rows = "test_view"
    """
    described = read_study(written(tmp_path, text))
    result = run_study(described.study, described.frame(small.catalog), cache=small.cache, jobs=1)
    held = {
        tuple(c[a] for a in ("attributor", "test_view", "per_class")): c["accuracy"] for c in result.cells.to_pylist()
    }
    table, (lines, bars) = result.findings.tables[1], result.findings.charts
    assert len(held) == 8
    assert {row[0]: row[1:] for row in table.rows} == {
        f"{attributor}, {n}": tuple(held[attributor, view, n] for view in ("none", "jpeg:50"))
        for attributor in (CENTROID, LOGISTIC)
        for n in (3, 5)
    }
    assert {series.name: tuple(point.y for point in series.points) for series in lines.series} == {
        f"{attributor}, {view}": (held[attributor, view, 3], held[attributor, view, 5])
        for attributor in (CENTROID, LOGISTIC)
        for view in ("none", "jpeg:50")
    }
    assert len({(bar.label, bar.group) for bar in bars.bars}) == 8
