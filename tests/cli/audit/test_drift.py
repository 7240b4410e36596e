from __future__ import annotations

import json
import shutil

import pytest

from morelli.sample import sample_path

ENCODER = "forensic[colour,sharpness]"


@pytest.fixture(scope="module")
def drifted(references, tmp_path_factory):
    return references, tmp_path_factory.mktemp("drift here")


def test_two_models_of_one_catalog(cli, drifted):
    catalog, folder = drifted
    out = folder / "out é"
    command = ("audit", "drift", catalog, "--models", "acnet-gan,realsr-df2k", "--encoder", ENCODER, "-w", "1")
    result = cli(*command, "-o", out, "--history", folder / "looks.json", "--fail-on", "changed")
    assert result.exit_code == 3 and "Changed: realsr-df2k differs from acnet-gan" in result.stdout
    assert f"Written to {out}: audit.html, audit.json" in result.stdout
    document = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    values = document["sections"][0]["findings"]["values"]
    assert values["changed"] is True and values["design"] == "paired" and values["look"] == 1
    again = cli(*command, "--history", folder / "looks.json", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["sections"][0]["findings"]["values"]["p"] == values["p"]
    assert len(json.loads((folder / "looks.json").read_text())["looks"]) == 1


def test_two_sources(cli, references, held_out):
    result = cli("audit", "drift", references, held_out, "--model", "acnet-gan", "--encoder", ENCODER, "-w", "1")
    # 12 photographs and 4 others: no prompt coincides.
    assert result.exit_code == 0 and "no common prompt known" in result.stdout
    assert "No change found" in result.stdout or "Changed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--models", "a"], "two different names"),
        (["--models", "acnet-gan,nobody"], "model never is nobody"),
        (["--models", "acnet-gan,realsr-df2k", "--fail-on", "rain"], "none of changed"),
        (["--models", "acnet-gan,realsr-df2k", "--design", "round"], "none of auto"),
        ([], "name the images of now"),
    ],
)
def test_mistakes_are_told(cli, references, arguments, why):
    result = cli("audit", "drift", references, *arguments, "--encoder", ENCODER)
    assert result.exit_code in (1, 2) and why in " ".join(result.stderr.split())


def test_a_second_catalog_beside_models_is_a_mistake(cli, references):
    result = cli("audit", "drift", references, references, "--models", "acnet-gan,realsr-df2k")
    assert result.exit_code == 2 and "give no second one" in result.stderr


def test_flat_folders_are_paired_by_the_names_of_files(cli, tmp_path):
    for name, model in (("before é", "acnet-gan"), ("now", "realsr-df2k")):
        (tmp_path / name).mkdir()
        for path in sorted((sample_path() / "reference" / model).iterdir())[:8]:
            shutil.copy(path, tmp_path / name)
    command = ("audit", "drift", tmp_path / "before é", tmp_path / "now", "--encoder", ENCODER, "-w", "1")
    paired = cli(*command, "--prompt-from", "stem")
    assert paired.exit_code == 0 and "8 prompts that both have" in paired.stdout
