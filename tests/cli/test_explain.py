from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morelli.attributors import Bundle
from morelli.cli._common import MOST_MAPS
from morelli.cli._maps import _targets
from morelli.explain import explain
from morelli.report import MAPS_LIMIT


def test_a_folder_of_images(cli, bundle, images, tmp_path):
    out = tmp_path / "maps of ü"
    result = cli("explain", bundle, images, "-o", out, "--json")
    assert result.exit_code == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(record["uri"]).name for record in records] == ["café.jpg", "notes.txt", "one.jpg"]
    assert sorted(path.name for path in out.iterdir()) == [
        "café.json", "café.png", "morelli-maps.html", "one.json", "one.png"
    ]  # fmt: skip
    assert records[1]["map"] is None and "not an image" in records[1]["error"]
    assert "1 of 3 could not be explained" in result.stderr
    loaded = Bundle.load(bundle)
    for record, name in ((records[0], "café"), (records[2], "one")):
        assert json.loads((out / f"{name}.json").read_text(encoding="utf-8")) == record
        assert record["error"] is None
        assert record["bundle"]["id"] == loaded.id
        assert record["map"] == explain(loaded, record["uri"]).to_dict()
    with Image.open(out / "one.png") as picture:
        assert picture.info == {}
    page = (out / "morelli-maps.html").read_text(encoding="utf-8")
    assert "café.jpg" in page and "not an image" in page
    assert page.count('class="map"') == 2
    assert page.count(" alone") == 2 * len(records[0]["map"]["families"])


def test_one_file(cli, bundle, images, tmp_path):
    result = cli("explain", bundle, images / "one.jpg", "-o", tmp_path / "x.png", "--candidate", "acnet-gan")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.png"]
    assert result.stdout.startswith("acnet-gan against the mean: ")
    assert "most at x " in result.stdout and "one.jpg" in result.stdout
    assert "Page" not in result.stderr


def test_what_is_asked_reaches_the_map(cli, bundle, images, tmp_path):
    names = ("--candidate", "acnet-gan", "--against", "realsr-df2k", "--family", "residual,colour", "--window", "64")
    result = cli("explain", bundle, images / "one.jpg", "-o", tmp_path / "x.png", *names, "--json")
    shown = json.loads(result.stdout)["map"]
    assert (shown["candidate"], shown["against"]) == ("acnet-gan", "realsr-df2k")
    assert set(shown["families"]) == {"residual", "colour"}
    assert shown["windows"] == {"n": 49, "width": 64, "height": 64}
    np.testing.assert_allclose(
        np.array(shown["values"]), sum(map(np.array, shown["families"].values())), atol=2e-4
    )  # fmt: skip


def test_a_bundle_that_knows_several_views(cli, degraded, images, tmp_path):
    result = cli("explain", degraded, images / "one.jpg", "-o", tmp_path / "x.png", "--json")
    record = json.loads(result.stdout)
    judged = json.loads(cli("attribute", degraded, images / "one.jpg", "--json").stdout)
    assert record["map"]["judged_as"] == judged["judged_as"] is not None
    assert record["map"]["candidate"] == judged["candidates"][0]["model"]
    k = record["map"]["candidate"]
    for family, values in record["map"]["families"].items():
        assert np.mean(values) == pytest.approx(judged["evidence"][family][k], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--candidate", "dall-e"], "'dall-e' is no candidate; there are: acnet-gan, realesrgan-x4plus"),
        (["--candidate", "acnet-gan", "--against", "acnet-gan"], "against itself"),
        (["--family", "smell"], "No family is called 'smell' here; there are: residual"),
        (["--family", "layout"], "No region can be held to layout"),
        (["--window", "80"], "multiple of 32"),
    ],
)
def test_what_makes_no_sense(cli, bundle, images, tmp_path, options, words):
    result = cli("explain", bundle, images / "one.jpg", "-o", tmp_path / "x.png", *options)
    assert result.exit_code == 1
    assert words in result.stderr + result.stdout
    assert list(tmp_path.iterdir()) == []


def test_one_file_for_several_images(cli, bundle, images, tmp_path):
    result = cli("explain", bundle, images, "-o", tmp_path / "x.png")
    assert result.exit_code == 1
    assert "there are 3 images; name a folder" in result.stderr


def test_too_small_an_image(cli, bundle, tmp_path):
    Image.new("RGB", (50, 300)).save(tmp_path / "strip.png")
    result = cli("explain", bundle, tmp_path / "strip.png", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "not explained" in result.stdout and "50x300" in result.stdout and "strip.png" in result.stdout
    assert not (tmp_path / "out").exists()


def test_names_that_the_system_refuses(cli, bundle, images, tmp_path):
    result = cli("explain", bundle, "a\0b.png", "x" * 300 + ".png", images / "one.jpg", "-o", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert [line.startswith("not explained") for line in result.stdout.splitlines()] == [True, True, False]
    assert (tmp_path / "one.png").exists()


def test_strict(cli, bundle, images, tmp_path):
    assert cli("explain", bundle, images, "-o", tmp_path / "a", "--strict").exit_code == 1
    assert (tmp_path / "a" / "one.png").exists()


def test_the_image_itself_is_not_overwritten(cli, bundle, images, tmp_path):
    with Image.open(images / "one.jpg") as picture:
        picture.save(tmp_path / "one.png")
    before = (tmp_path / "one.png").read_bytes()
    for output in (tmp_path / "one.png", tmp_path):
        result = cli("explain", bundle, tmp_path / "one.png", "-o", output)
        assert result.exit_code == 1
        assert "is one of the images, which are not overwritten" in result.stderr
    assert (tmp_path / "one.png").read_bytes() == before


def test_what_somebody_else_wrote_is_left_alone(cli, bundle, images, tmp_path):
    """Pictures have their parameters beside them; of all things those must not be lost."""
    for name, content in (("one.json", '{"prompt": "a cat"}'), ("one.png", "mine")):
        (tmp_path / name).write_text(content)
        result = cli("explain", bundle, images / "one.jpg", "-o", tmp_path)
        assert result.exit_code == 1
        assert name in result.stderr and "choose another place" in result.stderr
        assert [path.read_text() for path in tmp_path.iterdir()] == [content]
        (tmp_path / name).unlink()
    for _ in range(2):  # what this command wrote it may write again
        assert cli("explain", bundle, images / "one.jpg", "-o", tmp_path).exit_code == 0
    (tmp_path / "named.png").write_text("mine")
    assert cli("explain", bundle, images / "one.jpg", "-o", tmp_path / "named.png").exit_code == 0


def test_nothing_to_explain(cli, bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    result = cli("explain", bundle, tmp_path / "empty", "-o", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no file" in result.stderr


def test_images_of_one_name():
    names = [
        path.name for path in _targets(Path("out"), ["a/x.jpg", "b/X.png", "c/x.jpg", "morelli-maps.png", "x-2.jpg"])
    ]
    assert names == ["x.png", "X-2.png", "x-3.png", "morelli-maps-2.png", "x-2-2.png"]


# --- maps on other pages ------------------------------------------------------------------------------------------


def test_maps_of_an_evaluation(cli, bundle, held_out, tmp_path):
    result = cli("evaluate", bundle, held_out, "-o", tmp_path / "r", "-w", "1", "--maps", "3")
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="map"') == 3
    assert "Where the evidence lies" in page
    assert "Right: " in page
    assert len(page) < 3_000_000
    seen = cli("evaluate", bundle, held_out, "--view", "scale:0.5", "-o", tmp_path / "v", "-w", "1", "--maps", "1")
    assert seen.exit_code == 0, seen.stderr
    page = (tmp_path / "v" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="map"') == 1


def test_maps_of_an_attribution(cli, bundle, images, tmp_path):
    result = cli("attribute", bundle, images, "--html", tmp_path / "page.html", "--maps", "1")
    assert result.exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('class="map"') == 1
    assert page.index("café.jpg") < page.index('class="map"') < page.index("one.jpg")
    without = cli("attribute", bundle, images, "--maps", "1")
    assert without.exit_code == 2
    assert "--html" in without.stderr


def test_as_many_maps_as_a_page_bears(cli, bundle, images, tmp_path):
    assert MOST_MAPS == MAPS_LIMIT
    result = cli("attribute", bundle, images, "--html", tmp_path / "page.html", "--maps", str(MAPS_LIMIT + 1))
    assert result.exit_code == 2
    shutil.rmtree(tmp_path)
