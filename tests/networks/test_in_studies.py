"""Views that run a network, in studies and on the command line."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
from typer.testing import CliRunner

from _small import CENTROID, Small, build_small
from morelli.catalog import Catalog, join_columns
from morelli.cli._app import app
from morelli.errors import NetworkError
from morelli.networks import list_networks
from morelli.studies import Frame, make_study, run_study
from morelli.studies.structure import default_probes
from morelli.trials.plan import Bench
from morelli.trials.trial import Fold, Trial
from morelli.views import list_views

from . import tiny


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Small:
    return build_small(tmp_path_factory.mktemp("small"), prompts=6)


def cli(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_structure_study_takes_networks_by_name(small, saved, tmp_path):
    """From the command line, with a tiny network of depth in a folder, to the page."""
    output = tmp_path / "structure"
    result = cli(
        "study", "structure", small.path, "-a", CENTROID, "--folds", "2", "--jobs", "1",
        "--set", f"probes=depth:{saved('depth')},mean-rgb", "--set", "pairs=false", "--set", "families=",
        "--cache", tmp_path / "features.sqlite", "-o", output,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads((output / "study.json").read_text(encoding="utf-8"))
    with (output / "cells.csv").open(encoding="utf-8", newline="") as stream:
        depth = next(cell for cell in csv.DictReader(stream) if cell["of"].startswith("depth:"))
    assert int(float(depth["n"])) == 24 and 0 <= float(depth["accuracy"]) <= 1
    assert "Probes of the paper that were not run: segmentation, pixel-shuffle." in found["findings"]["notes"]
    assert len(list((tmp_path / "views").rglob("*.png"))) == 24


def test_networks_are_in_no_study_unless_they_are_named():
    assert not {"depth", "segmentation", "vae"} & {probe.partition(":")[0] for probe in default_probes()}


def test_a_study_ends_before_it_measures_where_a_network_is_not_here(small, weights, tmp_path):
    study = make_study("structure", {"probes": "mean-rgb,depth", "pairs": False})
    with pytest.raises(NetworkError, match="morelli networks fetch depth-anything-v2-small"):
        run_study(study, Frame(small.catalog, (CENTROID,), folds=2), folder=tmp_path / "trials", jobs=1)


def test_trials_of_other_weights_are_other_trials(small, saved, tmp_path):
    folder = shutil.copytree(saved("mask"), tmp_path / "mask")
    view = f"salient:{folder}"

    def names(**views):
        planned = Bench(small.catalog).plan(Trial({"x": 1}, attributor=CENTROID, fold=Fold(0, 2), **views))
        return planned.name, planned.fit

    before, plain = names(train_views=(view,), test_view=view), names()
    judged = names(test_view=view)
    tiny.mask_onnx(folder, mean=[0] * 3)
    after = names(train_views=(view,), test_view=view)
    assert before[0] != after[0] and before[1] != after[1]
    assert names(test_view=view)[0] != judged[0] and names(test_view=view)[1] == judged[1] == plain[1]
    assert names() == plain


def test_networks_are_listed(weights):
    shown = cli("networks", "list").stdout
    for spec in list_networks():
        assert spec.name in shown and spec.licence in shown and spec.repository in shown
    assert shown.count("not here") == len(list_networks()) and str(weights) in shown
    state = json.loads(cli("networks", "list", "--json").stdout)
    assert [one["name"] for one in state["networks"]] == [spec.name for spec in list_networks()]
    assert "contours, segmentation: masks of all things" in shown and "upernet-convnext-small-ade  (default)" in shown
    users = {view for one in state["networks"] for view in one["used_by"]}
    assert users == {view.name for view in list_views() if view.recipe is not None} | {"morelli presence"}
    assert state["names"] == {} and all(one["folder"] is None for one in state["networks"])


def test_networks_are_fetched_and_named(weights, saved, tmp_path):
    result = cli("networks", "fetch", "depth-anything-v2-small", "--from", saved("depth"))
    assert result.exit_code == 0 and "licence: Apache-2.0" in result.stdout
    shown = cli("networks", "list").stdout
    assert shown.count("not here") == len(list_networks()) - 1
    size = sum(path.stat().st_size for path in (weights / "networks" / "depth-anything-v2-small").iterdir())
    assert f"depth-anything-v2-small  (default)  here, {size / 1e6:.1f} MB" in shown
    folder = tiny.mask_onnx(tmp_path / "a mask, mine")
    assert "mine stands for" in cli("networks", "name", "mine", folder).stdout
    assert f"mine stands for {folder}" in cli("networks", "list").stdout
    assert cli("networks", "name", "mine", tmp_path).exit_code == 1


def test_views_are_made_beforehand(small, weights, saved, tmp_path):
    folder = shutil.copytree(saved("mask"), tmp_path / "mask")
    store = tmp_path / "views"
    result = cli("networks", "apply", small.path, f"resize:64|salient:{folder}", "--store", store)
    assert result.exit_code == 0, result.stderr
    assert f"24 of 24 images, in {store}" in result.stdout
    assert len(list(store.rglob("*.png"))) == 24
    cheap = cli("networks", "apply", small.path, "flip", "--store", store)
    assert cheap.exit_code == 1 and "cheaper to make anew" in cheap.stderr
    missing = cli("networks", "apply", small.path, "vae", "--store", store)
    assert missing.exit_code == 1 and "morelli networks fetch sd-vae-ft-mse" in missing.stderr


def test_one_image_through_a_network(saved, small, tmp_path):
    image = small.catalog.paths[0]
    result = cli("view", image, f"salient:{saved('mask')}", "-o", tmp_path / "mask.png")
    assert result.exit_code == 0 and (tmp_path / "mask.png").is_file()


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_presence_from_texts_to_the_study_of_domains(kind, small, saved, tmp_path):
    """The table that one command writes is what the study joins."""
    table = tmp_path / "presence.csv"
    images = two_domains(small, tmp_path)
    result = cli("presence", images, "-o", table, "--model", saved(kind), "--scores", "--recall", "0.5")
    assert result.exit_code == 0, result.stderr
    assert "24 images; written to" in result.stdout and "separation" in result.stdout
    assert not (tmp_path / ".presence.csv.answers").exists()
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["image_id", "shows", "score animals", "score buildings"] and len(rows) == 24
    joined = join_columns(Catalog.read(images), table)
    assert all(shown is not None for shown in joined.text("shows"))
    study = make_study("domains", {"presence": "shows", "per_class": 3})
    found = run_study(study, Frame(joined, (CENTROID,), folds=3), jobs=1, cache=small.cache)
    assert next(t for t in found.findings.tables if t.name == "co-occurrence").rows[0][0] == "animals"
    assert not any("left out" in note and "shows" in note for note in found.findings.notes)


def test_presence_needs_examples_of_every_domain(small, saved, tmp_path):
    result = cli("presence", small.path, "-o", tmp_path / "presence.csv", "--model", saved("clip"))
    assert result.exit_code == 1 and "of the 10 that it takes" in result.stderr
    assert not (tmp_path / "presence.csv").exists()
    assert (tmp_path / ".presence.csv.answers").is_file()  # nothing that was answered is lost


def two_domains(small, folder):
    path = folder / "two.parquet"
    catalog = Catalog.read(small.path)
    names = ["animals" if prompt < sorted(set(catalog.text("prompt_id")))[3] else "buildings"
             for prompt in catalog.text("prompt_id")]  # fmt: skip
    catalog.with_column("domain", names).write(path)
    return path
