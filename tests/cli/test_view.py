from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from morelli.images import read_image
from morelli.sample import sample_path
from morelli.views import parse_view
from morelli.views.sheet import example_views


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a ünicode photo.jpg"
    shutil.copy(sample_path() / "campaign" / "02.jpg", path)
    return path


@pytest.mark.parametrize("suffix", ["png", "webp", "PNG"])
def test_a_view_is_written_without_loss(cli, photo, tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    result = cli("view", photo, " resize:100 | noise@2", "-o", out)
    assert result.exit_code == 0
    assert "resize:100|noise:5: 256 x 256 became 100 x 100, written to" in result.stdout
    expected = parse_view("resize:100|noise:5").apply(read_image(photo))
    np.testing.assert_array_equal(read_image(out).pixels, expected)
    assert read_image(out).facts.format == suffix.upper()


def test_a_seed_makes_other_noise(cli, photo, tmp_path):
    results = []
    for number, seed in enumerate((["--seed", "3"], ["--seed", "3"], ["--seed", "4"], [])):
        assert cli("view", photo, "noise:20", "-o", tmp_path / f"{number}.png", *seed).exit_code == 0
        results.append((tmp_path / f"{number}.png").read_bytes())
    assert results[0] == results[1] and len(set(results)) == 3
    assert cli("view", photo, "noise:20", "-o", tmp_path / "x.png", "--seed", "-1").exit_code == 2


def test_a_sheet_of_everything(cli, photo, tmp_path):
    out = tmp_path / "sheet.png"
    result = cli("view", photo, "--sheet", "-o", out)
    assert result.exit_code == 0 and result.stdout.startswith(f"{len(example_views())} views, 1462 x ")
    with Image.open(out) as image:
        assert image.size[0] == 1462


def test_a_sheet_for_a_page_may_be_jpeg(cli, photo, tmp_path):
    assert cli("view", photo, "jpeg@1", "jpeg@5", "--sheet", "-o", tmp_path / "sheet.jpg").exit_code == 0
    assert read_image(tmp_path / "sheet.jpg").facts.format == "JPEG"


def test_a_sheet_of_some_views_and_their_errors(cli, photo, tmp_path):
    out = tmp_path / "sheet.webp"
    result = cli("view", photo, "jpeg:90", "scale:8|scale:8", "--sheet", "-o", out)
    assert result.exit_code == 0 and result.stdout.startswith("2 views, ")
    assert "Note: scale:8|scale:8: " in result.stderr and "choose less" in result.stderr
    assert out.exists()


def test_an_image_is_not_overwritten(cli, tmp_path):
    image = tmp_path / "image.png"
    Image.new("RGB", (40, 30), "teal").save(image)
    before = image.read_bytes()
    for name in (image, tmp_path / "." / "image.png"):
        result = cli("view", image, "flip", "-o", name)
        assert result.exit_code == 1 and "is the image itself" in result.stderr
    (tmp_path / "link.png").symlink_to(image)
    assert cli("view", image, "flip", "-o", tmp_path / "link.png").exit_code == 1
    assert image.read_bytes() == before
    (tmp_path / "other.png").write_bytes(b"old")  # other files are, as elsewhere
    assert cli("view", image, "flip", "-o", tmp_path / "other.png").exit_code == 0
    assert (tmp_path / "other.png").read_bytes() != b"old"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-o", "x.png"], 2, "name a view, or give --sheet"),
        (["flip", "gray", "-o", "x.png"], 2, "name one view, or several with --sheet"),
        (["flip"], 2, "--output"),
        (["flop", "-o", "x.png"], 1, 'there is no view "flop"'),
        (["jpeg@7", "-o", "x.png"], 1, "jpeg@1 to jpeg@5"),
        (["scale:8|scale:8", "-o", "x.png"], 1, "choose less"),
        (["flip", "-o", "x.jpg"], 1, "written as .png or .webp"),
        (["flip", "-o", "x"], 1, "written as .png or .webp"),
        (["flip", "-o", "."], 1, "is a folder"),
        (["patch-shuffle:8|border:0.5", *["flip"] * 300, "--sheet", "-o", "x.png"], 1, "1 to 200 views"),
    ],
)
def test_errors(cli, photo, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = cli("view", photo, *arguments)
    assert result.exit_code == code and words in " ".join(result.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == [photo.name]


def test_what_is_no_image_is_an_error(cli, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    for name, words in (("text.jpg", "not an image"), ("missing.jpg", "missing.jpg")):
        result = cli("view", tmp_path / name, "flip", "-o", tmp_path / "out.png")
        assert result.exit_code == 1 and words in result.stderr
    assert not (tmp_path / "out.png").exists()


def test_webp_says_how_large_it_can_be(cli, tmp_path):
    Image.new("RGB", (17_000, 2)).save(tmp_path / "long.png")
    result = cli("view", tmp_path / "long.png", "flip", "-o", tmp_path / "out.webp")
    assert result.exit_code == 1 and "16383" in result.stderr and "write a .png" in result.stderr
    assert cli("view", tmp_path / "long.png", "flip", "-o", tmp_path / "out.png").exit_code == 0
