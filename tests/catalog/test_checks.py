from __future__ import annotations

import json
import shutil

import pytest
from rich.console import Console

from morelli.catalog import build_catalog, check_catalog, nuisance_floor, split_catalog
from morelli.catalog._render import render_catalog, render_floor, render_report, render_split
from morelli.errors import CatalogError


def text_of(renderable):
    console = Console(width=140, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.fixture
def messy(gallery, save):
    """A gallery with every fault."""
    shutil.copy(gallery / "model0" / "prompt0.png", gallery / "model1" / "stolen.png")
    save(gallery / "model2" / "again.jpg", seed=0, quality=90)
    (gallery / "model2" / "empty.png").write_bytes(b"")
    (gallery / "model2" / "notes").write_text("x")
    return gallery


def test_a_clean_catalog_has_no_duplicates(gallery):
    report = check_catalog(build_catalog(gallery, prompt_from="stem"), nuisance=False)
    assert (report.n, report.n_readable, report.n_prompts, report.n_without_prompt) == (15, 15, 5, 0)
    assert (report.exact.sets, report.near.sets) == (0, 0)
    assert {name: facts.images for name, facts in report.classes.items()} == {"model0": 5, "model1": 5, "model2": 5}
    assert report.classes["model0"].formats == {"PNG": 5}
    assert report.classes["model0"].sizes == {"48x48": 5}
    assert report.warnings == ["3 classes have fewer than 10 images: model0, model1, model2."]


def test_faults_are_found(messy):
    report = check_catalog(build_catalog(messy))
    assert report.errors == {"empty": 1, "not-an-image": 1}
    assert [row["uri"] for row in report.error_examples] == ["model2/empty.png", "model2/notes"]
    assert (report.exact.sets, report.exact.images, report.exact.across_labels) == (1, 2, 1)
    assert report.exact.examples == [["model0: model0/prompt0.png", "model1: model1/stolen.png"]]
    assert (report.near.sets, report.near.images, report.near.across_labels) == (1, 3, 1)
    assert report.classes["model2"].formats == {"PNG": 5, "JPEG": 1}
    everything = " ".join(report.warnings)
    assert "1 files stand under more than one model" in everything
    assert "1 sets of near-duplicates hold more than one model" in everything
    assert "2 of 19 files cannot be used (1 empty, 1 not-an-image)" in everything
    assert "17 of 17 images have no prompt_id" in everything
    json.dumps(report.to_dict())


def test_leaks_between_splits(table_of):
    catalog = table_of(
        6,
        model=list("aabbab"),
        prompt_id=["p", "q", "p", "r", "s", "t"],
        split=["train", "train", "test", "test", "train", None],
        phash=[2**10, 2**60, 2**20 - 1, 2**60 + 1, 2**33 - 1, 2**60 + 1],
    )
    report = check_catalog(catalog, nuisance=False)
    assert report.straddling_prompts == ["p"]
    assert report.splits == {"train": 3, "test": 2}
    assert report.near.across_splits == 1
    assert any("1 prompts stand in more than one split" in warning for warning in report.warnings)
    assert any("test images were seen in training" in warning for warning in report.warnings)


def test_a_fresh_split_has_no_leak(table_of):
    catalog = table_of(40, model=[f"m{row % 4}" for row in range(40)], prompt_id=[f"p{row // 4}" for row in range(40)])
    report = check_catalog(split_catalog(catalog, test=0.3).assign(catalog), nuisance=False)
    assert report.straddling_prompts == []
    assert report.warnings == []


def test_unlabelled_uneven_and_blank(table_of):
    catalog = table_of(60, model=["a"] * 41 + ["b"] * 18 + [None], phash=[12345] * 30 + [2**k for k in range(30, 60)])
    report = check_catalog(catalog, nuisance=False)
    everything = " ".join(report.warnings)
    assert "1 images have no model" in everything
    assert "uneven: from 18 to 41" in everything
    assert "One set of near-duplicates holds" in everything


def test_one_class_is_reported_not_raised(table_of):
    report = check_catalog(table_of(12, model=["a"] * 12))
    assert report.nuisance is None
    assert any("at least two values of 'model'" in warning for warning in report.warnings)
    with pytest.raises(CatalogError, match="no column"):
        check_catalog(table_of(2), "maker")


def test_nothing_readable(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.png").write_bytes(b"")
    report = check_catalog(build_catalog(tmp_path))
    assert report.n_readable == 0
    assert report.classes == {}
    text_of(render_report(report))


def test_the_container_that_gives_away_comes_first(table_of):
    catalog = table_of(
        80,
        model=[f"[m{row % 2}]" for row in range(80)],
        prompt_id=[f"p{row // 2}" for row in range(80)],
        format=["PNG", "JPEG"] * 40,
    )
    report = check_catalog(catalog)
    assert report.nuisance is not None
    assert report.warnings[0] == report.nuisance.sentence
    shown = text_of(render_report(report))
    assert "[m0]" in shown
    assert "gives the label away" in shown
    assert text_of(render_floor(nuisance_floor(catalog))) in shown


def test_renderings(messy):
    catalog = build_catalog(messy)
    assert "19 images, 17 readable, 3 models" in text_of(render_catalog(catalog))
    assert "model2/empty.png" in text_of(render_catalog(catalog))
    assert "model0/prompt0.png" in text_of(render_report(check_catalog(catalog)))
    split = split_catalog(catalog, folds=3)
    assert split.hash[:20] in text_of(render_split(split))


def test_renderings_obey_no_name(table_of):
    hostile = "x\x1b]0;owned\x07\x1b[31m[red]y"
    catalog = table_of(
        12,
        uri=[f"{hostile}{row}" for row in range(12)],
        image_id=["0" * 64] * 4 + [f"{row}" * 64 for row in range(1, 9)],
        model=[f"{hostile}{row % 2}" for row in range(12)],
        prompt_id=[f"{hostile}{row // 4}" for row in range(12)],
        split=[f"{hostile}{row % 2}" for row in range(12)],
        error=[None] * 11 + [hostile],
        error_kind=[None] * 11 + ["corrupt"],
    )
    for made in (render_catalog(catalog), render_report(check_catalog(catalog))):
        shown = text_of(made)
        assert "\x1b" not in shown and "\x07" not in shown
        assert "\\x1b[31m[red]y" in shown
