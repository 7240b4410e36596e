from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture(scope="module")
def later(bundle, degraded, tmp_path_factory):
    """The same references seen through one view more; in a folder with a name that needs quotes."""
    return shutil.copy(degraded, tmp_path_factory.mktemp("later bundles") / "später.morelli")


def test_two_bundles(cli, bundle, later):
    result = cli("bundle", "diff", bundle, later)
    assert result.exit_code == 0
    assert "4 candidates are in both, with as many references of each." in result.stdout
    assert "References: 48 images in both, 0 only in the first, 0 only in the second." in result.stdout
    assert "recipe of features" in result.stdout


def test_a_bundle_and_itself(cli, bundle):
    result = cli("bundle", "diff", bundle, bundle)
    assert result.exit_code == 0 and "the same bundle, to the last bit" in result.stdout


def test_a_common_set_page_and_json(cli, bundle, later, held_out, tmp_path):
    out = tmp_path / "what changed é"
    result = cli("bundle", "diff", bundle, later, "--catalog", held_out, "-w", "1", "-o", out, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document == json.loads((out / "audit.json").read_text(encoding="utf-8"))
    values = document["sections"][0]["findings"]["values"]
    assert values["common"]["n"] == 16 and values["common"]["foreign"] == 4  # a model that is no candidate
    page = (out / "audit.html").read_text(encoding="utf-8")
    assert "16 images of 4 prompts that neither has seen" in page and "später.morelli" in page
    again = cli("bundle", "diff", bundle, later, "--catalog", held_out, "-w", "1", "--json")
    assert json.loads(again.stdout)["sections"][0]["findings"]["values"] == values


def test_images_that_were_seen_are_no_common_set(cli, bundle, later, references):
    result = cli("bundle", "diff", bundle, later, "--catalog", references, "-w", "1")
    assert result.exit_code == 1 and "48 are references" in " ".join(result.stderr.split())


def test_mistakes_are_told(cli, bundle, tmp_path, references):
    (tmp_path / "no bundle.morelli").write_bytes(b"junk")
    (tmp_path / "file").write_text("")
    for arguments, why in (
        ([bundle, tmp_path / "no bundle.morelli"], "no bundle.morelli"),
        ([bundle, tmp_path / "missing.morelli"], "missing.morelli"),
        ([bundle, bundle, "-o", tmp_path / "file"], "is a file"),
        ([bundle, bundle, "--catalog", references, "--split", "test"], 'no row has the split "test"'),
        ([bundle], "BUNDLE_B"),
    ):
        result = cli("bundle", "diff", *arguments)
        assert result.exit_code in (1, 2) and why in " ".join(result.stderr.split()), arguments
