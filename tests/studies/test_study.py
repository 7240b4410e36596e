from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from _small import CENTROID, LOGISTIC, MODELS, bare_catalog
from morelli.attributors.pixels import network
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.report.study import study_to_dict, write_study
from morelli.studies import (
    Findings,
    Frame,
    Setting,
    Study,
    frame_of,
    get_study,
    list_studies,
    make_study,
    preview_study,
    register_study,
    run_study,
    settings_of,
)
from morelli.studies.findings import Column, Table
from morelli.studies.study import _STUDIES
from morelli.trials.selection import Selection


@pytest.fixture
def foreign():
    """A study of another package."""

    @register_study("my-own", title="My own", question="Does it work?", paper="Nobody 2024")
    @dataclass(frozen=True)
    class MyOwn(Study):
        """It works."""

        attributors = (CENTROID,)

        words: tuple[str, ...] = Setting(("a", "b"), "Some words.")
        sizes: tuple[int, ...] = Setting((3,), "Some numbers.")
        shares: tuple[float, ...] = Setting((), "Some shares.")
        share: float = Setting(0.5, "One share.")
        count: int = Setting(3, "One number.")
        most: int | None = Setting(None, "A number, or none.")
        column: str | None = Setting(None, "A word, or none.")
        pairs: bool = Setting(True, "Yes or no.")

        def trials(self, frame: Frame) -> list:
            per_class = Selection(per_class=self.sizes[0])
            return [
                t for a in frame.attributors for t in frame.cross_validated({"by": a}, attributor=a, train=per_class)
            ]

        def find(self, frame: Frame, results) -> Findings:
            features = frame.features(frame.catalog.take([0, 1]), "forensic[colour,sharpness]")
            rows = tuple((cell.at["by"], cell.accuracy) for cell in results)
            table = Table("t", "T", (Column("by", "by"), Column("accuracy", "right", "share")), rows)
            return Findings(sentences=(f"Found {len(features.X)}.",), tables=(table,), notes=("A note.",), values={})

    yield MyOwn
    del _STUDIES["my-own"]


def framed(small, **options) -> Frame:
    return frame_of(small.catalog, get_study("my-own"), {"folds": 3, **options})


# -- the registry ------------------------------------------------------------------------------------------------------


def test_a_study_of_another_package_is_there(foreign):
    assert foreign in list_studies()
    assert get_study("my-own") is foreign
    assert (foreign.name, foreign.title, foreign.paper) == ("my-own", "My own", "Nobody 2024")
    assert foreign.examples() == [
        "morelli study my-own images.parquet -o my-own/",
        "morelli study my-own images.parquet -o my-own/ --seeds 3",
        "morelli study my-own images.parquet -o my-own/ --dry-run",
    ]


def test_what_comes_with_morelli():
    names = [study.name for study in list_studies()]
    assert {"scaling", "openset", "versions"} <= set(names)
    assert len(set(names)) == len(names)
    for study in list_studies():
        assert study.question.endswith("?")
        assert study.__doc__
        assert all(field.metadata["help"] for field in settings_of(study))
        assert isinstance(make_study(study.name), study)


@pytest.mark.parametrize("name", ["my-own", "run", "list", "scaling", "", "My", "a b", "a_b", "-a", "a--b", "é"])
def test_names_that_cannot_be(foreign, name):
    with pytest.raises(ValueError, match="study"):
        register_study(name, title="", question="")(type("Another", (Study,), {}))
    assert foreign.name == "my-own"
    assert get_study("my-own") is foreign


def test_no_such_study():
    with pytest.raises(MorelliError, match=r"No study is called 'tea'; there are: .*versions"):
        get_study("tea")


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "given", "value"),
    [
        ("words", "x, y", ("x", "y")),
        ("words", "", ()),
        ("words", "jpeg:85,4:4:4,blur:2", ("jpeg:85,4:4:4", "blur:2")),
        ("words", "2019,2020", ("2019", "2020")),
        ("words", ["x, y"], ("x, y",)),
        ("sizes", "3, 12", (3, 12)),
        ("sizes", [3, 12], (3, 12)),
        ("shares", "0.5,1", (0.5, 1.0)),
        ("shares", [1, 0.5], (1.0, 0.5)),
        ("share", "1e-2", 0.01),
        ("share", 1, 1.0),
        ("count", "12", 12),
        ("count", 12, 12),
        ("most", "none", None),
        ("most", "None", None),
        ("most", None, None),
        ("most", "4", 4),
        ("column", "none", None),
        ("column", "domain", "domain"),
        ("pairs", "false", False),
        ("pairs", "True", True),
        ("pairs", False, False),
    ],
)
def test_settings_are_read(foreign, setting, given, value):
    found = getattr(make_study("my-own", {setting: given}), setting)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("setting", "given", "kind"),
    [
        ("sizes", "3,many", "a list of whole numbers"),
        ("sizes", [3.5], "a list of whole numbers"),
        ("sizes", [[3]], "a list of whole numbers"),
        ("sizes", 3, "a list of whole numbers"),
        ("sizes", [True], "a list of whole numbers"),
        ("shares", "half", "a list of numbers"),
        ("words", [1], "a list of words"),
        ("words", {"a": 1}, "a list of words"),
        ("share", "half", "a number"),
        ("share", None, "a number"),
        ("share", [0.5], "a number"),
        ("share", 10**400, "a number"),
        ("count", "3.0", "a whole number"),
        ("count", 3.0, "a whole number"),
        ("count", True, "a whole number"),
        ("count", {}, "a whole number"),
        ("most", "some", "a whole number, or none"),
        ("column", 3, "a word, or none"),
        ("pairs", "yes", "true or false"),
        ("pairs", 1, "true or false"),
    ],
)
def test_a_bad_value_names_the_kind(foreign, setting, given, kind):
    with pytest.raises(MorelliError) as refused:
        make_study("my-own", {setting: given})
    assert str(refused.value) == f"The setting {setting} is {kind}, not {given!r}."


def test_no_such_setting(foreign):
    with pytest.raises(MorelliError, match='has no setting "colour"; there are: words, sizes, shares, share, count'):
        make_study("my-own", {"colour": 1})


# -- the frame ---------------------------------------------------------------------------------------------------------


def test_values_of_a_column():
    catalog = bare_catalog(
        {"model": ["a", "b", None, "a"], "domain": ["y", "x", "z", None], "language": [None, None, "en", None],
         "nothing": [None] * 4}
    )  # fmt: skip
    frame = Frame(catalog, (CENTROID,))
    assert frame.classes == ["a", "b"]
    assert frame.values("domain") == ["x", "y"]  # z has no label
    for column in ("language", "prompt", "nothing"):
        with pytest.raises(MorelliError, match=f'The column "{column}" is empty, and this study selects by it'):
            frame.values(column)
    with pytest.raises(MorelliError, match="There is no column 'colour'"):
        frame.values("colour")
    with pytest.raises(MorelliError, match="outside a running study"):
        frame.features(catalog, "forensic")


def test_cross_validated(small):
    frame = frame_of(small.catalog, get_study("scaling"), {"seeds": 2, "seed": 5, "folds": 3, "level": 0.8})
    trials = frame.cross_validated({"x": 1}, attributor=CENTROID)
    assert [(t.seed, t.fold.number) for t in trials] == [(s, f) for s in (5, 6) for f in range(3)]
    assert {(t.level, t.label, t.fold.of) for t in trials} == {(0.8, "model", 3)}
    assert frame.seed == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "at least one seed, not 0"),
        ({"seed": -1}, "whole numbers from 0, not -1"),
        ({"folds": 1}, "at least two folds, not 1"),
        ({"folds": 0}, "at least two folds, not 0"),
        ({"level": 0}, "between 0 and 1"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"label": "colour"}, "There is no column 'colour'"),
        ({"attributors": ["oracle"]}, "No attributor is called"),
        ({"attributors": ["knn", " knn"]}, "named twice: knn, knn"),
    ],
)
def test_frames_that_cannot_be(small, options, words):
    with pytest.raises(MorelliError) as refused:
        frame_of(small.catalog, get_study("scaling"), options)
    assert words in str(refused.value)


def test_a_frame_takes_what_the_study_has(small, foreign):
    frame = frame_of(small.catalog, foreign, {"attributors": None, "label": None, "seeds": None})
    assert (frame.attributors, frame.label, frame.seeds, frame.folds, frame.level) == (
        (CENTROID,),
        "model",
        (0,),
        5,
        0.9,
    )


# -- a run -------------------------------------------------------------------------------------------------------------


def test_a_run_and_a_preview(small, foreign, tmp_path):
    study, frame = make_study("my-own", {"sizes": "4"}), framed(small, attributors=[CENTROID, LOGISTIC], seeds=2)
    folder = tmp_path / "parts é"
    before = preview_study(study, frame, folder=folder, cache=None, jobs=2)
    assert not folder.exists()
    assert (before.trials, before.finished, before.fits, before.missing) == (12, 0, 12, ())
    assert before.measure == (("forensic[colour,sharpness]", "none", 48, 48),)
    assert before.measuring_seconds > 0
    assert before.fitting_seconds > 0

    result = run_study(study, frame, folder=folder, cache=small.cache, jobs=1, command="morelli study my-own …")
    assert result.findings.sentences == ("Found 2.",)
    assert result.findings.notes[0] == "A note."
    assert "container" in result.findings.notes[1] or "nuisance" in result.findings.notes[1].lower()
    assert [row[0] for row in result.findings.tables[0].rows] == [CENTROID, LOGISTIC]
    assert result.cells["references"].to_pylist() == [16.0, 16.0]
    assert result.predictions.num_rows == 2 * 2 * 48
    assert result.missing == ()
    about = result.provenance
    assert (about.command, about.catalog) == ("morelli study my-own …", small.catalog.fingerprint)
    assert (about.n_images, about.seed, about.seeds, about.label, about.prompt_known) == (48, 0, 2, "model", True)
    assert {"python", "numpy", "scikit-learn", "platform"} <= set(about.environment)
    assert about.options["attributors"] == [CENTROID, LOGISTIC]
    assert (about.options["sizes"], about.options["folds"], about.options["words"]) == ((4,), 3, ("a", "b"))
    json.dumps(study_to_dict(result))
    assert (tmp_path / "out" / "study.html") in write_study(result, tmp_path / "out")

    after = preview_study(study, frame, folder=folder, cache=small.cache, jobs=2)
    assert (after.trials, after.finished, after.fits, after.measure) == (12, 12, 0, ())
    assert (after.measuring_seconds, after.fitting_seconds) == (0.0, 0.0)
    other = preview_study(study, framed(small, seeds=3), folder=folder, cache=small.cache, jobs=2)
    assert (other.trials, other.finished, other.fits) == (9, 6, 3)
    assert other.measure == (("forensic[colour,sharpness]", "none", 48, 0),)
    assert other.measuring_seconds == 0.0

    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = run_study(study, frame, folder=folder, cache=small.cache, jobs=1)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps
    assert again.cells.equals(result.cells)
    assert again.predictions.equals(result.predictions)
    assert study_to_dict(again)["findings"] == study_to_dict(result)["findings"]


def test_a_preview_of_networks_on_pixels_is_of_their_time(small, foreign, monkeypatch):
    """Random numbers are no pictures, and a training that lasts for days is not tried out to its end."""
    pytest.importorskip("torch", reason="needs the deep extra")
    pytest.importorskip("transformers", reason="needs the deep extra")
    monkeypatch.setenv("MORELLI_DEVICE", "cpu")
    steps, train = [], network.train_pictures

    def timed(*given, **options):
        trained = train(*given, **options)
        steps.append(trained.steps)
        return trained

    monkeypatch.setattr(network, "train_pictures", timed)
    frame = framed(small, attributors=["convnext-tiny:small"])
    preview = preview_study(make_study("my-own"), frame, folder=None, cache=small.cache, jobs=1)
    assert steps == [2]
    assert preview.fits == 3
    # 12 images, 30 epochs, 2 folds; more than a thousand images a second are beyond any processor.
    assert preview.fitting_seconds > 3 * 12 * 30 * 2 / 1000


def test_what_is_missing_is_said(small, foreign):
    study = make_study("my-own", {"sizes": "1"})
    preview = preview_study(study, framed(small), folder=None, cache=small.cache, jobs=1)
    assert (preview.missing, preview.fits) == ((), 3)  # only the fit finds out
    with pytest.raises(NotEnoughDataError, match=r"No trial of this study has a result\. The first: by centroid"):
        run_study(study, framed(small), cache=small.cache, jobs=1)
    one = small.catalog.select(model=[MODELS[0]])
    frame = frame_of(one, foreign, {"folds": 2})
    preview = preview_study(study, frame, folder=None, cache=small.cache, jobs=1)
    assert len(preview.missing) == 2
    assert "one class only" in preview.missing[0]


def test_prompts_that_are_not_known_are_said(small, foreign):
    catalog = small.catalog.with_column("prompt_id", [None] * 48)
    frame = frame_of(catalog, foreign, {"folds": 2})
    result = run_study(make_study("my-own"), frame, cache=small.cache, jobs=1)
    assert not result.provenance.prompt_known
    assert any("No prompt is known" in note for note in result.findings.notes)


def test_coordinates_that_collide_are_refused_before_anything_is_done(small, tmp_path):
    @dataclass(frozen=True)
    class Colliding(Study):
        def trials(self, frame: Frame) -> list:
            return frame.cross_validated({"accuracy": 1}, attributor=CENTROID)

        def find(self, frame: Frame, results) -> Findings:
            raise AssertionError

    frame = frame_of(small.catalog, get_study("scaling"), {"folds": 2})
    for call in (run_study, lambda *a, **k: preview_study(*a, **k, jobs=1)):
        with pytest.raises(MorelliError, match="accuracy is one already"):
            call(Colliding(), frame, folder=tmp_path / "parts", cache=small.cache)
    assert not (tmp_path / "parts").exists()
