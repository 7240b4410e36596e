from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from morelli._text import printable
from morelli.attributors import (
    Bundle,
    Lineage,
    PooledCandidate,
    PooledVerdict,
    Verdict,
    attribute,
    pool_verdicts,
)
from morelli.cli import attribute as command
from morelli.cli._inputs import expand
from morelli.cli._verdicts import pooled_writer
from morelli.sample import sample_path

needs_odd_names = pytest.mark.skipif(sys.platform != "linux", reason="file names are text here")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_json_is_what_python_says(cli, bundle, images):
    result = cli("attribute", bundle, images, "--json")
    assert result.exit_code == 0
    assert "1 of 3 could not be judged" in result.stderr
    verdicts = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(v["uri"]).name for v in verdicts] == ["café.jpg", "notes.txt", "one.jpg"]
    paths = [v["uri"] for v in verdicts]
    assert verdicts == [v.to_dict() for v in attribute(Bundle.load(bundle), paths, workers=1)]
    fields = {"schema_version", "uri", "image_id", "decision", "label", "probability", "lineage", "candidates"}
    fields |= {"prediction_set", "open_set_p", "evidence", "quality", "bundle", "error"}
    assert all(fields <= set(verdict) for verdict in verdicts)
    assert set(verdicts[0]["candidates"][0]) >= {"model", "probability", "llr"}
    assert [v["decision"] == "unreadable" for v in verdicts] == [False, True, False]
    assert verdicts[1]["error"]


def test_in_a_pipe_json_is_the_default(cli, bundle, images):
    assert json.loads(cli("attribute", bundle, images / "one.jpg").stdout)["error"] is None


def test_csv(cli, bundle, images):
    rows = rows_of(cli("attribute", bundle, images, images / "nothing.png", "--csv").stdout)
    assert [Path(row["uri"]).name for row in rows] == ["café.jpg", "notes.txt", "one.jpg", "nothing.png"]
    assert rows[3]["decision"] == "unreadable"
    assert "there is no such file" in rows[3]["error"]
    assert 0 <= float(rows[0]["open_set_p"]) <= 1
    assert rows[0]["bundle_id"] == Bundle.load(bundle).id


def test_table(cli, bundle, images):
    lines = cli("attribute", bundle, images, "--table").stdout.splitlines()
    assert lines[0].startswith("decision")
    assert lines[2].startswith("unreadable")
    assert lines[2].endswith("notes.txt")
    assert lines[2].count("notes.txt") == 1
    assert len(lines) == 4


def test_one_format_only(cli, bundle, images):
    result = cli("attribute", bundle, images, "--json", "--csv")
    assert result.exit_code == 2
    assert "choose one of" in result.stderr


def test_strict(cli, bundle, images):
    assert cli("attribute", bundle, images, "--strict").exit_code == 1
    assert cli("attribute", bundle, images / "one.jpg", "--strict").exit_code == 0


# --- several images together --------------------------------------------------------------------------------------


def test_pooled_json_is_what_python_says(cli, bundle, images):
    result = cli("attribute", bundle, images, images / "one.jpg", "--pool", "--json")
    assert result.exit_code == 0
    *lines, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 4 and not any("kind" in line for line in lines)
    assert (last["kind"], last["folder"]) == ("pooled", None)
    assert (last["n_images"], last["n_unreadable"], last["n_repeated"]) == (2, 1, 1)
    (expected,) = pool_verdicts(Bundle.load(bundle), [Verdict.from_dict(line) for line in lines])
    assert PooledVerdict.from_dict(last) == expected


def test_without_the_flag_nothing_is_pooled(cli, bundle, images):
    assert "pooled" not in cli("attribute", bundle, images, "--json").stdout
    assert "together" not in cli("attribute", bundle, images, "--table").stdout


def test_pooled_by_folder(cli, bundle, images):
    result = cli("attribute", bundle, images, "--pool-by-folder")
    pooled = [json.loads(line) for line in result.stdout.splitlines()][3:]
    assert [one["folder"] for one in pooled] == [str(images / "deeper"), str(images)]
    assert [(one["n_images"], one["n_unreadable"]) for one in pooled] == [(1, 0), (1, 1)]


def test_pooled_table(cli, bundle, images):
    lines = cli("attribute", bundle, images, "--pool", "--table").stdout.splitlines()
    assert lines[4] == ""
    assert lines[5].startswith("All images together: ")
    assert lines[6].startswith("2 images, worth ") and lines[6].endswith("Left out: 1 that could not be judged.")
    assert len(lines) == 7
    by_folder = cli("attribute", bundle, images / "notes.txt", "--pool-by-folder", "--table").stdout.splitlines()
    assert by_folder[-2:] == [
        f"{images} together: unreadable",
        "No image could be judged. Left out: 1 that could not be judged.",
    ]


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        ("attributed", "x\\ty together: attributed  a\\x1b  (91.3%)"),
        ("ambiguous", "x\\ty together: ambiguous  a\\x1b or b; lineage north  (a\\x1b 91.3%)"),
        ("unknown", "x\\ty together: unknown  none of the candidates (least unlike: a\\x1b)"),
    ],
)
def test_pooled_paragraph(decision, sentence, capsys):
    known = decision != "unknown"
    pooled_writer()(
        PooledVerdict(
            "x\ty", decision, label="a\x1b" if known else None, probability=0.913 if known else None,
            lineage=Lineage("north", 1.0, known), prediction_set=("a\x1b", "b"),
            candidates=(PooledCandidate("a\x1b", 0.913), PooledCandidate("b", 0.087)), n_images=9, n_effective=4.56,
        )
    )  # fmt: skip
    _, first, second = capsys.readouterr().out.splitlines()
    assert first == sentence
    assert second.startswith("9 images, worth 4.56 independent ones: by themselves 0 name a\\x1b, 0 rule it out")


def test_pooled_page(cli, bundle, images, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "PAGE_LIMIT", 1)
    page = tmp_path / "page.html"
    cli("attribute", bundle, images, "--pool", "--html", page)
    text = page.read_text(encoding="utf-8")
    assert "All images together" in text
    assert "2 images, worth " in text  # also those that the page does not show


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pool", "--csv"], "use --json or --table"),
        (["--pool-by-folder", "--csv"], "use --json or --table"),
        (["--pool", "--pool-by-folder"], "choose one of --pool and --pool-by-folder"),
    ],
)
def test_pooling_that_makes_no_sense(cli, bundle, images, options, words):
    result = cli("attribute", bundle, images, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in " ".join(result.stderr.split())


def test_nothing_to_pool(cli, bundle, tmp_path):
    assert cli("attribute", bundle, tmp_path, "--pool", "--json").stdout == ""


def test_a_bundle_that_cannot_pool_says_so_first(cli, bundle, images, tmp_path):
    loaded = replace(Bundle.load(bundle), notes=())  # of another content, so that its hash is made anew
    loaded.attributor.home.pooling_ = None
    single = loaded.save(tmp_path / "single.morelli")
    result = cli("attribute", single, images, "--pool")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no candidate has references of two prompts" in result.stderr
    assert cli("attribute", single, images / "one.jpg").exit_code == 0


# --- the files ----------------------------------------------------------------------------------------------------


def test_paths_from_standard_input(cli, bundle, images):
    lines = [
        "\ufeff" + str(images / "deeper" / "café.jpg") + "\r",
        "",
        "   ",
        "missing.png\r",
        str(images / "deeper"),
        "-",
    ]
    result = cli("attribute", bundle, "-", "--csv", stdin="\n".join(lines).encode())
    assert [Path(row["uri"]).name for row in rows_of(result.stdout)] == ["café.jpg", "missing.png", "café.jpg", "'-"]
    assert result.exit_code == 0


def test_nothing_to_judge(cli, bundle, tmp_path):
    result = cli("attribute", bundle, tmp_path, "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no file" in result.stderr


def test_names_that_a_spreadsheet_would_run(cli, bundle, images, tmp_path):
    for name in ("=1+1.jpg", "@x.jpg", "-x.jpg"):
        shutil.copy(images / "one.jpg", tmp_path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        rows = rows_of(cli("attribute", bundle, "--csv", "--", "=1+1.jpg", "@x.jpg", "-x.jpg").stdout)
    assert [row["uri"] for row in rows] == ["'=1+1.jpg", "'@x.jpg", "'-x.jpg"]


@needs_odd_names
@pytest.mark.parametrize("form", ["--json", "--csv", "--table"])
def test_names_that_are_not_text(cli, bundle, images, tmp_path, form):
    odd = tmp_path / os.fsdecode(b"caf\xe9\n\x1b[31m.jpg")
    shutil.copy(images / "one.jpg", odd)
    page = tmp_path / "page.html"
    result = cli("attribute", bundle, odd, os.fsdecode(b"\xff.png"), form, "--html", page)
    assert result.exit_code == 0
    assert page.stat().st_size > 0
    if form == "--json":
        assert os.fsencode(json.loads(result.stdout.splitlines()[0])["uri"]) == os.fsencode(odd)
    elif form == "--csv":
        assert [row["error"] == "" for row in rows_of(result.stdout)] == [True, False]
        assert "caf\\udce9" in result.stdout
    else:
        assert "caf\\udce9\\n\\x1b[31m.jpg" in result.stdout
        assert "\x1b" not in result.stdout


@needs_odd_names
def test_names_that_are_not_text_from_standard_input(cli, bundle, images, tmp_path):
    odd = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    shutil.copy(images / "one.jpg", odd)
    result = cli("attribute", bundle, "-", stdin=odd + b"\n")
    assert json.loads(result.stdout)["error"] is None


def test_page(cli, bundle, images, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "PAGE_LIMIT", 2)
    page = tmp_path / "new" / "page.html"
    result = cli("attribute", bundle, images, "--html", page)
    assert len(result.stdout.splitlines()) == 3
    assert "the first 2 of 3 images" in result.stderr
    text = page.read_text(encoding="utf-8")
    assert "the first 2 of 3 images" in text
    assert "café.jpg" in text
    assert "one.jpg" not in text


def test_page_cannot_be_written(cli, bundle, images, tmp_path):
    result = cli("attribute", bundle, images, "--html", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is a folder" in result.stderr


def test_heic_without_its_extra_says_which(cli, bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heic = tmp_path / "photo.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(64))
    verdict = json.loads(cli("attribute", bundle, heic, "--workers", "1").stdout)
    assert verdict["decision"] == "unreadable"
    assert "morelli[heic]" in verdict["error"]


def test_bundle_is_none(cli, tmp_path, images):
    result = cli("attribute", tmp_path / "none.morelli", images)
    assert result.exit_code == 1
    assert result.stderr.startswith("morelli: ")
    assert len(result.stderr.splitlines()) == 1


def test_expand_walks_links_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert list(expand([str(tmp_path)])) == [str(tmp_path / "a" / "1.png")]


def test_expand_keeps_what_the_system_refuses(tmp_path, monkeypatch, capsys):
    long = "x" * 5000
    assert list(expand([long, "a\0b", ""])) == [long, "a\0b", ""]

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(expand([str(tmp_path)])) == [str(tmp_path)]
    assert "cannot be listed (Permission denied)" in capsys.readouterr().err


def test_printable():
    assert printable("a\tb\u202ec é") == "a\\tb\\u202ec é"


def test_sample_campaign_is_streamed_in_order(cli, bundle):
    names = sorted(path.name for path in (sample_path() / "campaign").iterdir())[:6]
    result = cli("attribute", bundle, *[sample_path() / "campaign" / name for name in reversed(names)])
    assert [Path(json.loads(line)["uri"]).name for line in result.stdout.splitlines()] == names[::-1]
