"""Audits end to end, from the command line, on images that ship with the package."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from _small import small_rows
from morelli.attributors import Verdict
from morelli.audit.campaign import CONSISTENT, INCONSISTENT, UNDECIDED, audit_campaign, open_campaign
from morelli.audit.campaign.suspects import MOST_SUSPECTS
from morelli.catalog import build_catalog
from morelli.cli.audit.campaign import CONDITION_HOLDS
from morelli.provenance import list_layers
from morelli.report._sheets import MOST_ON_SHEET
from morelli.report.campaign import write_campaign

from ._running import CLAIMED, OTHER, audit, contents, document, page_of, run, table
from .conftest import MODELS, STACK

FILES = {
    "index.html", "audit.json", "verdicts.csv", "verdicts.jsonl", "parts.csv", "mixture.csv", "records.sqlite",
}  # fmt: skip


# -- what it says ------------------------------------------------------------------------------------------------------


def test_a_folder_of_the_claimed_model_passes(bundle_path, honest, tmp_path):
    result = audit(bundle_path, honest, tmp_path / "out", "--fail-on", "inconsistent,part,conflict")
    assert result.exit_code == 0, result.stderr
    assert document(tmp_path / "out")["claim"]["outcome"] != INCONSISTENT
    assert result.stdout.splitlines()[0] in (CONSISTENT, UNDECIDED)


def test_intruders_are_flagged_and_listed_first(audited):
    result, out = audited
    found = document(out)
    assert result.exit_code == 0
    assert found["claim"]["outcome"] == INCONSISTENT == result.stdout.splitlines()[0]
    assert found["claim"]["p_value"] < 0.05
    first = [suspect["name"] for suspect in found["suspects"][:3]]
    assert sum(name.startswith(OTHER) for name in first) >= 2
    assert all(suspect["why"] for suspect in found["suspects"])
    foreign = found["claim"]
    assert foreign["foreign_low"] <= 0.3 <= foreign["foreign_high"]


def test_all_files_are_there_and_agree(audited):
    _, out = audited
    assert {path.name for path in out.iterdir()} >= FILES
    rows = table(out / "verdicts.csv")
    lines = [Verdict.from_dict(json.loads(line)) for line in (out / "verdicts.jsonl").read_text("utf-8").splitlines()]
    assert [row["image_id"] for row in rows] == [verdict.image_id for verdict in lines]
    assert len(rows) == document(out)["counts"]["files"] == 10
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    shares = [row for row in table(out / "mixture.csv") if row["kind"] == "candidate"]
    assert sum(float(row["share"]) for row in shares) == pytest.approx(1, abs=1e-6)
    assert {row["name"] for row in shares} - {"unknown"} == set(document(out)["candidates"])
    assert table(out / "parts.csv") == []


def test_the_page_loads_nothing_and_says_what_the_audit_says(audited):
    _, out = audited
    page = page_of(out)
    text = " ".join(page.text)
    found = document(out)
    for sentence in (*found["conclusion"]["sentences"], *found["conclusion"]["limits"]):
        assert sentence in text
    assert "proof" not in text.replace("no proof", "").replace("never a proof", "")
    assert len(page.all("img")) >= len(found["suspects"]) > 0


def test_the_sheet_that_the_page_points_to_has_room_for_all_that_are_listed():
    assert MOST_SUSPECTS <= MOST_ON_SHEET


def test_the_keys_of_the_document(audited):
    """Golden: other programs read these."""
    _, out = audited
    found = document(out)
    assert list(found) == [
        "schema_version", "source", "bundle", "candidates", "settings", "counts", "conclusion", "claim", "suspects",
        "n_suspects", "mixture", "clusters", "copies", "declared", "parts", "notes",
    ]  # fmt: skip
    assert list(found["claim"]) == [
        "claimed", "outcome", "reason", "n", "statistic", "p_value", "level", "foreign", "foreign_low", "foreign_high",
        "detectable",
    ]  # fmt: skip
    assert list(found["counts"]) == [
        "files", "images", "unreadable", "repeated", "decisions", "named", "passed_over"
    ]  # fmt: skip
    assert list(found["conclusion"]) == ["outcome", "sentences", "would_change", "limits"]
    assert list(found["mixture"]["shares"][0]) == ["name", "share", "low", "high", "lineage", "claimed", "real"]
    assert found["schema_version"] == 1


def test_json_on_standard_output_is_the_document_without_images(audited, bundle_path, swapped):
    _, out = audited
    result = audit(bundle_path, swapped, out, "--json")
    summary, found = json.loads(result.stdout), document(out)
    assert summary == {name: found[name] for name in summary}
    assert {"claim", "counts", "mixture", "parts"} <= set(summary)
    assert "suspects" not in summary


def test_python_says_the_same(audited, bundle, swapped, tmp_path):
    _, out = audited
    again = audit_campaign(bundle, open_campaign(swapped), tmp_path, claimed=[CLAIMED], n_draws=300, stack=STACK)
    assert json.loads(json.dumps(again.to_dict())) == document(out)


# -- conditions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status"), [("inconsistent", 3), ("unreadable,conflict", 0), ("conflict,inconsistent", 3)]
)
def test_fail_on(audited, bundle_path, swapped, words, status):
    result = audit(bundle_path, swapped, audited[1], "--fail-on", words)
    assert result.exit_code == status
    assert ("Failed on: inconsistent." in result.stderr) == (status == CONDITION_HOLDS)
    assert (audited[1] / "index.html").is_file(), "everything is written all the same"


def test_fail_on_nonsense(bundle_path, honest, tmp_path):
    result = audit(bundle_path, honest, tmp_path / "out", "--fail-on", "bad weather")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("claimed", ["nobody", "", f"{CLAIMED},nobody", f"{CLAIMED},{CLAIMED}", ",".join(MODELS)])
def test_a_claim_that_is_no_candidate_is_refused_before_any_work(bundle_path, honest, tmp_path, claimed):
    result = audit(bundle_path, honest, tmp_path / "out", claimed=claimed)
    assert result.exit_code == 1
    assert "candidate" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("level", [0, 1, -0.5])
def test_a_level_that_is_none(bundle_path, honest, tmp_path, level):
    assert audit(bundle_path, honest, tmp_path / "out", "--level", level).exit_code == 1
    assert not (tmp_path / "out").exists()


# -- parts, references, real photographs, the ledger -------------------------------------------------------------------


def test_parts_by_vendor_and_month(bundle_path, desk, deliver, tmp_path):
    folder = deliver(desk / "vendors", waifu2x_cunet=10, realsr_df2k=8)
    lines = ["path;vendor;date"]
    for i, path in enumerate(sorted(folder.iterdir())):
        good = path.name.startswith(CLAIMED)
        vendor, day = ("Good & Söhne" if good else "=BAD()", f"2026-0{1 + i % 2}-1{i % 9}")
        lines.append(f"{path};{vendor};{day}")
    (tmp_path / "assets.csv").write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "out"
    result = audit(bundle_path, tmp_path / "assets.csv", out, "--by", "vendor,date", "--fail-on", "part")
    assert result.exit_code == CONDITION_HOLDS
    parts = {(part["column"], part["value"]): part for part in document(out)["parts"]}
    assert set(parts) == {("vendor", "Good & Söhne"), ("vendor", "=BAD()"), ("date", "2026-01"), ("date", "2026-02")}
    assert parts["vendor", "=BAD()"]["claim"]["outcome"] == INCONSISTENT
    assert parts["vendor", "Good & Söhne"]["claim"]["outcome"] != INCONSISTENT
    assert all(part["p_corrected"] >= part["claim"]["p_value"] for part in parts.values())
    assert [row["part"] for row in table(out / "parts.csv")] == ["'=BAD()", "Good & Söhne", "2026-01", "2026-02"]
    page_of(out)


def test_images_among_the_references(bundle_path, desk, rows, tmp_path):
    prompts = sorted({row["prompt_id"] for row in rows})[:3]
    folder = tmp_path / "seen"
    folder.mkdir()
    for i, row in enumerate(row for row in rows if row["model"] == CLAIMED and row["prompt_id"] in prompts):
        shutil.copy(row["path"], folder / f"{i}{Path(row['path']).suffix}")
    with Image.open(folder / "2.jpg") as picture:
        pixels = picture.convert("RGB")
    (folder / "2.jpg").unlink()
    pixels.save(folder / "2.png")
    out = tmp_path / "out"
    assert audit(bundle_path, folder, out, "--references", desk / "references.parquet").exit_code == 0
    copies = document(out)["copies"]
    assert (copies["n_file"], copies["n_close"]) == (2, 1)
    assert copies["in_references"] == [["0.jpg", "file"], ["1.jpg", "file"], ["2.png", "near"]]


def test_real_photographs_are_told_by_themselves(bundle_path, swapped, tmp_path):
    out = tmp_path / "out"
    assert audit(bundle_path, swapped, out, "--real", f"{OTHER},acnet-gan").exit_code == 0
    real = document(out)["mixture"]["real"]
    of = {share["name"]: share["share"] for share in document(out)["mixture"]["shares"]}
    assert real["share"] == pytest.approx(of[OTHER] + of["acnet-gan"], abs=1e-9)
    assert real["low"] <= real["share"] <= real["high"]
    assert "Real photographs: " in (out / "index.html").read_text(encoding="utf-8")
    assert audit(bundle_path, swapped, tmp_path / "other", "--real", "photo").exit_code == 1


def test_what_needs_a_person_goes_into_the_ledger(bundle_path, swapped, audited, tmp_path):
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("alembic")
    from morelli.audit.ledger import Ledger

    place = tmp_path / "desk.sqlite"
    first = audit(bundle_path, swapped, audited[1], "--ledger", place)
    again = audit(bundle_path, swapped, audited[1], "--ledger", place)
    verdicts = [json.loads(line) for line in (audited[1] / "verdicts.jsonl").read_text("utf-8").splitlines()]
    wanted = [v for v in verdicts if v["decision"] != "attributed" or v["label"] != CLAIMED]
    assert wanted
    assert f"{len(wanted)} new, 0 known" in first.stderr
    assert f"0 new, {len(wanted)} known" in again.stderr
    with Ledger.open(place) as ledger:
        assert ledger.verify().ok


def test_several_processes_give_the_same(bundle_path, swapped, audited, tmp_path):
    assert audit(bundle_path, swapped, tmp_path, "-w", 2).exit_code == 0
    assert contents(tmp_path) == contents(audited[1])


def test_all_layers_are_examined_unless_named(bundle_path, honest, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    path = folder / "declared.png"
    with Image.open(min(honest.iterdir())) as picture:
        text = PngInfo()
        text.add_text(
            "parameters", f"a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64, Model: {OTHER}"
        )
        picture.convert("RGB").save(path, pnginfo=text)
    run("campaign", bundle_path, folder, "--claimed", CLAIMED, "-o", tmp_path / "out", "-w", 1, "--draws", 300)
    found = document(tmp_path / "out")
    assert [layer["layer"] for layer in found["declared"]["layers"]] == list(list_layers())
    if find_spec("sd_parsers") is not None:  # else parameters are not parsed, and the layer says so
        assert [OTHER, 1] in found["declared"]["generators"]
        assert "silence" not in found["declared"]["outcomes"]
    assert sum(found["declared"]["outcomes"].values()) == 1


def test_unknown_sources_get_sheets_and_manifests_to_enrol_from(bundle, rows, tmp_path):
    """The level is raised so that strangers, which few images are enough to overlook, are certain to be called so."""
    strict = replace(bundle, open_set_level=0.9)
    folder, out = tmp_path / "strangers", tmp_path / "out"
    folder.mkdir()
    for i, row in enumerate(small_rows(("dat-light", "arnet-hdn"), 8)):
        shutil.copy(row["path"], folder / f"{row['model']} ünd {i}{Path(row['path']).suffix}")
    found = audit_campaign(strict, open_campaign(folder), out, claimed=[CLAIMED], n_draws=200, stack=STACK)
    write_campaign(found, out)
    assert found.counts.decisions["unknown"] == sum(cluster.size for cluster in found.clusters) > 8
    listed = []
    for cluster in found.clusters:
        manifest = out / "clusters" / f"{cluster.name}.csv"
        catalog = build_catalog(manifest, workers=1)
        assert set(catalog.column("model")) == {cluster.name}
        assert (len(catalog), catalog.n_unreadable) == (cluster.size, 0)
        listed += catalog.column("image_id").tolist()
        with Image.open(manifest.with_suffix(".png")) as sheet:
            assert sheet.width <= 1352
            assert sheet.height <= 1100
    assert len(listed) == len(set(listed))
    page_of(out)
    again = audit_campaign(bundle, open_campaign(folder), out, claimed=[CLAIMED], n_draws=200, stack=STACK, anew=True)
    write_campaign(again, out)
    kept = {path.stem for path in (out / "clusters").iterdir()}
    assert kept == {cluster.name for cluster in again.clusters}, "sheets of the audit before are gone"
