from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from morelli.attributors import Bundle
from morelli.catalog import build_catalog
from morelli.sample import sample_path

from ..conftest import MODELS, STRANGER, write_table


@pytest.fixture(scope="module")
def newcomer(folder) -> Path:
    """A table of a model that is no candidate yet, x 8 photographs."""
    return write_table(folder / "newcomer.csv", (STRANGER,), slice(0, 8))


def test_a_new_model(cli, bundle, newcomer, tmp_path):
    output = tmp_path / "more.morelli"
    result = cli("bundle", "enrol", bundle, newcomer, "-o", output, "--name", "five", "--bundle-version", "2")
    assert result.exit_code == 0, result.stderr
    assert f"{STRANGER} was enrolled: 8 images of 8 prompts." in result.stdout
    assert result.stdout.endswith(f"5 candidates now; written to {output}\n")
    made = Bundle.load(output)
    assert made.classes == tuple(sorted((*MODELS, STRANGER)))
    assert (made.name, made.version) == ("five", "2")


def test_json(cli, bundle, newcomer, tmp_path):
    output = tmp_path / "more.morelli"
    told = json.loads(cli("bundle", "enrol", bundle, newcomer, "-o", output, "--json").stdout)
    made = Bundle.load(output)
    assert (told["id"], told["candidates"], told["bundle"]) == (made.id, 5, str(output))
    assert set(told["enrolled"]) == {STRANGER}
    fact = told["enrolled"][STRANGER]
    assert fact["n_images"] == fact["n_prompts"] == 8 and fact["leak_free"] and 0 <= fact["recall"] <= 1
    assert told["notes"] == list(made.notes[-len(told["notes"]) :])


def test_the_bundle_names_it(cli, bundle, newcomer, held_out, tmp_path):
    output = tmp_path / "more.morelli"
    cli("bundle", "enrol", bundle, newcomer, "-o", output)
    with held_out.open(encoding="utf-8") as stream:
        image = next(row["path"] for row in csv.DictReader(stream) if row["model"] == STRANGER)
    verdict = json.loads(cli("attribute", output, image, "--json").stdout)
    assert STRANGER in json.dumps(verdict)
    assert STRANGER in cli("show", output).stdout


def test_with_references(cli, bundle, references, newcomer, tmp_path):
    output = tmp_path / "more.morelli"
    result = cli("bundle", "enrol", bundle, newcomer, "-o", output, "--references", references)
    assert result.exit_code == 0, result.stderr
    assert "Discriminants were fitted anew" in result.stdout
    wrong = cli("bundle", "enrol", bundle, newcomer, "-o", output, "--references", newcomer)
    assert wrong.exit_code == 1 and "are not those that this bundle has learned from" in wrong.stderr


def test_one_model_of_a_catalog(cli, bundle, folder, tmp_path):
    both = write_table(folder / "both.csv", (STRANGER, MODELS[0]), slice(12, 16))
    output = tmp_path / "b.morelli"
    refused = cli("bundle", "enrol", bundle, both, "-o", output)
    assert refused.exit_code == 1 and f"{MODELS[0]}: a candidate of this bundle already" in refused.stderr
    assert not output.exists()
    assert cli("bundle", "enrol", bundle, both, "-o", output, "--model", STRANGER).exit_code == 0
    missing = cli("bundle", "enrol", bundle, both, "-o", output, "--model", "nobody")
    assert missing.exit_code == 1 and f"model never is nobody; there are: {MODELS[0]}, {STRANGER}." in missing.stderr


def test_more_and_other_references(cli, bundle, folder, tmp_path):
    fresh = write_table(folder / "fresh.csv", (MODELS[0],), slice(12, 16))
    output = tmp_path / "b.morelli"
    assert cli("bundle", "enrol", bundle, fresh, "-o", output, "--add").exit_code == 0
    assert Bundle.load(output).attributor.training_.n_images[MODELS[0]] == 16
    assert cli("bundle", "enrol", bundle, fresh, "-o", output, "--replace").exit_code == 0
    assert Bundle.load(output).attributor.training_.n_images[MODELS[0]] == 4
    both = cli("bundle", "enrol", bundle, fresh, "-o", output, "--replace", "--add")
    assert both.exit_code == 2 and "added or replaced, not both" in both.stderr


def test_a_split(cli, bundle, newcomer, tmp_path):
    catalog = build_catalog(newcomer, workers=1)
    path = tmp_path / "n.parquet"
    catalog.with_column("split", ["mine"] * 5 + ["other"] * 3).write(path)
    output = tmp_path / "b.morelli"
    assert cli("bundle", "enrol", bundle, path, "-o", output, "--split", "mine").exit_code == 0
    assert Bundle.load(output).attributor.training_.n_images[STRANGER] == 5
    assert cli("bundle", "enrol", bundle, path, "-o", output, "--split", "none").exit_code == 1


def test_what_cannot_be_enrolled(cli, bundle, references, newcomer, tmp_path):
    output = tmp_path / "b.morelli"
    (tmp_path / "empty").mkdir()
    for bad, why in (
        ((references, newcomer), "not a Morelli bundle"),
        ((bundle, tmp_path / "nothing"), "nothing"),
        ((bundle, tmp_path / "empty"), ""),
        ((bundle, references), "a candidate of this bundle already"),
    ):
        result = cli("bundle", "enrol", *bad, "-o", output)
        assert result.exit_code == 1 and why in result.stderr and "Traceback" not in result.stderr
    assert not output.exists()


def test_a_group_of_unknown_images_that_a_person_named(cli, bundle, folder, tmp_path):
    """The manifest of a group, with its model column filled in, is all that is needed."""
    rows = list(csv.DictReader(write_table(folder / "group.csv", (STRANGER,), slice(0, 6)).open(encoding="utf-8")))
    manifest = tmp_path / "unknown-1.csv"
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "model"])
        writer.writerows([row["path"], "their new tool"] for row in rows)
    output = tmp_path / "b.morelli"
    result = cli("bundle", "enrol", bundle, manifest, "-o", output)
    assert result.exit_code == 0, result.stderr
    assert "their new tool was enrolled: 6 images whose prompts are not all known." in result.stdout
    assert "their new tool" in Bundle.load(output).classes


def test_a_folder_without_folders_is_one_model(cli, bundle, tmp_path):
    (tmp_path / "a model").mkdir()
    for path in sorted((sample_path() / "unknown" / STRANGER).iterdir())[:4]:
        shutil.copy(path, tmp_path / "a model")
    output = tmp_path / "more.morelli"
    for options, name in (((), "a model"), (("--model", "other"), "other")):
        result = cli("bundle", "enrol", bundle, tmp_path / "a model", "-o", output, *options)
        assert result.exit_code == 0, result.stderr
        assert name in Bundle.load(output).classes


def test_the_bundle_is_not_written_over(cli, bundle, newcomer):
    before = bundle.read_bytes()
    result = cli("bundle", "enrol", bundle, newcomer, "-o", bundle)
    assert result.exit_code == 2 and "left as it is" in result.stderr
    assert bundle.read_bytes() == before
