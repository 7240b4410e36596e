from __future__ import annotations

import subprocess
import sys
import time

import pytest

from morelli.attributors import Bundle
from morelli.attributors.conformal import METHODS
from morelli.attributors.fitting import DEGRADED_VIEWS
from morelli.catalog import Catalog, build_catalog
from morelli.cli._common import parse_views
from morelli.cli.fit import SetMethod
from morelli.encoders import FeatureCache


def test_fit_with_a_split(cli, references, tmp_path):
    cut = tmp_path / "cut.parquet"
    split = ("--test", "0.5", "-o", tmp_path / "s.json", "--apply", cut)
    assert cli("catalog", "split", references, *split).exit_code == 0
    output = tmp_path / "half.morelli"
    result = cli("fit", cut, "--split", "train", "-o", output, "--bundle-version", "3", "--level", "0.8")
    assert result.exit_code == 0, result.stderr
    assert f"Written to {output}" in result.stdout
    bundle = Bundle.load(output)
    assert (bundle.name, bundle.version, bundle.attributor.level) == ("half", "3", 0.8)
    assert bundle.references.image_ids == set(Catalog.read(cut).select(split="train").column("image_id"))


def test_the_same_bytes_as_from_python(cli, references, bundle, tmp_path):
    output = tmp_path / "again.morelli"
    assert cli("fit", references, "-o", output, "--name", "tiny", "-w", "1").exit_code == 0
    assert output.read_bytes() == bundle.read_bytes()


def test_views(cli, references, degraded, tmp_path):
    output = tmp_path / "b.morelli"
    result = cli("fit", references, "-o", output, "--name", "tiny", "--views", "none, scale:0.5|jpeg:85", "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert output.read_bytes() == degraded.read_bytes()
    assert "scale:0.5|jpeg:85: " in result.stdout
    assert "will be judged less well" not in result.stdout


def test_sets(cli, references, tmp_path):
    output = tmp_path / "b.morelli"
    result = cli("fit", references, "-o", output, "--level", "0.8", "--sets", "aps", "--sets-per-class", "-w", "1")
    assert result.exit_code == 0, result.stderr
    assert "aps, made to hold the truth in 80% for each candidate" in " ".join(result.stdout.split())
    conformal = Bundle.load(output).attributor.conformal_
    assert (conformal.method, conformal.class_conditional, conformal.level) == ("aps", True, 0.8)


def test_sets_that_there_are_not(cli, references, tmp_path):
    result = cli("fit", references, "-o", tmp_path / "x.morelli", "--sets", "raps")
    assert result.exit_code == 2
    assert "'raps'" in result.stderr and "'lac', 'aps'" in result.stderr
    assert not (tmp_path / "x.morelli").exists()


def test_the_methods_are_those_of_the_attributor():
    assert tuple(SetMethod) == METHODS


def test_one_view_is_noted(cli, references, tmp_path):
    result = cli("fit", references, "-o", tmp_path / "b.morelli", "-w", "1")
    assert "images that were recompressed or resized since will be judged less well" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("text", "views"),
    [
        ("none", ["none"]),
        ("", ["none"]),
        ("degraded", list(DEGRADED_VIEWS)),
        ("degraded, jpeg:50", [*DEGRADED_VIEWS, "jpeg:50"]),
        ("jpeg:80,4:4:4,webp:70, blur:1|jpeg:90", ["jpeg:80,4:4:4", "webp:70", "blur:1|jpeg:90"]),
    ],
)
def test_views_are_separated_by_commas(text, views):
    assert parse_views(text, "--views") == views


@pytest.mark.parametrize(
    ("text", "words"),
    [("sepia", "sepia"), ("jpeg:85,sepia:2", "sepia"), ("none,none", "named twice"), ("jpeg", "jpeg")],
)
def test_views_that_there_are_not(cli, references, tmp_path, text, words):
    result = cli("fit", references, "-o", tmp_path / "x.morelli", "--views", text)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "x.morelli").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--split", "nope"], 'no row has the split "nope"; there are: reference'),
        (["--label", "nope"], "no column 'nope'"),
        (["--label", "domain", "--split", "nope"], "no row has the split"),
    ],
)
def test_refusals(cli, references, tmp_path, arguments, sentence):
    result = cli("fit", references, "-o", tmp_path / "x.morelli", *arguments)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "x.morelli").exists()


def test_output_is_looked_at_first(cli, tmp_path):
    (tmp_path / "file").write_text("")
    for output, sentence in ((tmp_path, "is a folder"), (tmp_path / "file" / "b.morelli", "is a file")):
        result = cli("fit", tmp_path / "no-catalog", "-o", output)
        assert result.exit_code == 1
        assert sentence in result.stderr


def test_a_full_disk_is_one_sentence(cli, references, bundle, tmp_path, monkeypatch):
    fitted = Bundle.load(bundle)
    monkeypatch.setattr("morelli.attributors.fit_bundle", lambda *_, **__: fitted)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "x.morelli")

    monkeypatch.setattr(Bundle, "save", full)
    result = cli("fit", references, "-o", tmp_path / "x.morelli")
    assert (result.exit_code, result.stderr) == (1, "morelli: x.morelli: No space left on device.\n")


def test_interrupt(cli, references, tmp_path, monkeypatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("morelli.attributors.fit_bundle", stop)
    result = cli("fit", references, "-o", tmp_path / "x.morelli")
    assert result.exit_code == 130
    assert result.stderr == "morelli: Interrupted. The same command goes on where this one stopped.\n"
    result = cli("fit", references, "-o", tmp_path / "x.morelli", "--no-cache")
    assert result.stderr == "morelli: Interrupted.\n"


KILLED = """
import sys
from morelli.cli import main
from morelli.encoders import extract

sys.modules["morelli.encoders.extract"]._CHUNK = 4  # what a kill may lose; 64 otherwise, too many for a quick test
main()
"""


def test_killed_and_run_again(tmp_path, table_of):
    """What a killed fit has measured is not measured again: its files may be gone."""
    source = build_catalog(table_of(tmp_path / "t.csv", ("acnet-gan", "realsr-df2k"), slice(0, 12)))
    (tmp_path / "images").mkdir()
    lines = ["path,model,prompt_id"]
    for row, path in enumerate(source.paths):
        (tmp_path / "images" / f"{row}.jpg").write_bytes(path.read_bytes())
        lines.append(f"images/{row}.jpg,{source.column('model')[row]},{source.column('prompt_id')[row]}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    catalog = build_catalog(tmp_path / "t.csv", tmp_path / "c.parquet")
    cache, output = tmp_path / "cache.sqlite", tmp_path / "b.morelli"
    arguments = ["fit", tmp_path / "c.parquet", "-o", output, "--cache", cache, "-w", "1"]

    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (cache.exists() and len(FeatureCache(cache))):
        assert process.poll() is None, "the fit ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not output.exists()
    measured = len(FeatureCache(cache))
    assert 0 < measured < len(catalog)

    for path in catalog.paths[:measured]:  # measured in the order of the catalog
        path.unlink()
    again = subprocess.run([sys.executable, "-m", "morelli", *arguments], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert Bundle.load(output).references.n_unreadable == 0
    assert len(Bundle.load(output).references.image_ids) == len(catalog)
