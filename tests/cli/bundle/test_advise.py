from __future__ import annotations

import json

import pytest

from morelli.attributors import Verdict


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Verdicts of a week, among lines that are none."""
    made = [("ambiguous", "acnet-gan")] * 3 + [("attributed", "acnet-gan")] * 5 + [("unknown", None)] * 2
    lines = [
        Verdict(
            uri=f"{n} é.png", image_id=None, decision=word, label=label, prediction_set=("acnet-gan", "realsr-df2k")
        )
        for n, (word, label) in enumerate(made)
    ]
    path = tmp_path_factory.mktemp("in use") / "june é.jsonl"
    text = "".join(line.to_json() + "\n" for line in lines)
    path.write_text(f"{text}junk\n\n[]\n", encoding="utf-8")
    return path


def test_the_bundle_alone(cli, bundle):
    result = cli("bundle", "advise", bundle)
    assert result.exit_code == 0
    assert "The target is that 80 of 100 images of a candidate are named right. Of 4 candidates" in result.stdout
    assert "Without the references themselves (--catalog)" in result.stdout
    assert "waifu2x-cunet" in result.stdout


def test_references_and_verdicts(cli, bundle, references, verdicts, tmp_path):
    out = tmp_path / "advice é"
    command = (
        "bundle",
        "advise",
        bundle,
        "--catalog",
        references,
        "--verdicts",
        verdicts,
        "-w",
        "1",
        "--target",
        "0.9",
    )
    result = cli(*command, "-o", out, "--json")
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)["sections"][0]["findings"]["values"]
    assert values["target"] == 0.9 and values["steepness"] is not None and len(values["classes"]) == 4
    found = {one["name"]: one for one in values["classes"]}
    assert found["acnet-gan"]["used"] == {"named": 8, "ambiguous": 3, "rival": "realsr-df2k"}
    assert values["usage"]["problems"] == 2 and values["usage"]["unknown"] == 2
    page = (out / "audit.html").read_text(encoding="utf-8")
    assert "In use, 2 of 10 verdicts are unknown." in page and "were not counted: 2." in page
    again = cli(*command)
    assert "of 100 images are named right by what has not seen their prompts" in again.stdout


def test_verdicts_from_a_pipe(cli, bundle, verdicts):
    result = cli("bundle", "advise", bundle, "--verdicts", "-", stdin=verdicts.read_bytes())
    assert result.exit_code == 0 and "In use, 2 of 10 verdicts are unknown." in result.stdout


def test_mistakes_are_told(cli, bundle, references, tmp_path, folder):
    (tmp_path / "junk.parquet").write_bytes(b"junk")
    for arguments, why in (
        ([bundle, "--target", "1.5"], "--target"),
        ([bundle, "--verdicts", tmp_path / "missing.jsonl"], "missing.jsonl"),
        ([bundle, "--catalog", tmp_path / "junk.parquet"], "junk.parquet"),
        ([bundle, "--catalog", folder / "references.csv", "--split", "x"], 'no row has the split "x"'),
        ([tmp_path / "junk.parquet"], "junk.parquet"),
    ):
        result = cli("bundle", "advise", *arguments)
        assert result.exit_code in (1, 2) and why in " ".join(result.stderr.split()), arguments


def test_a_catalog_of_others_is_a_mistake(cli, bundle, references, tmp_path):
    from morelli.catalog import Catalog

    catalog = Catalog.read(references)
    path = tmp_path / "others.parquet"
    catalog.with_column("model", ["somebody"] * len(catalog)).write(path)
    result = cli("bundle", "advise", bundle, "--catalog", path)
    assert result.exit_code == 1 and "of a candidate of this bundle" in " ".join(result.stderr.split())
