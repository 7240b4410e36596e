"""``morelli provenance`` and ``morelli attribute --provenance``."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from morelli.attributors import Bundle, Verdict, attribute, pool_verdicts
from morelli.errors import MorelliError
from morelli.provenance import Provenance, Settings, attribute_with_provenance, inspect, list_layers, pixels_only
from morelli.sample import sample_path

FORGED = "a photo of a house\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model: {model}"


def write_png(source: Path, target: Path, parameters: str | None = None) -> Path:
    """Write the pixels of an image, all that the file declares left behind, with parameters that anybody can write."""
    info = PngImagePlugin.PngInfo()
    if parameters is not None:
        info.add_text("parameters", parameters)
    with Image.open(source) as image:
        Image.frombytes(image.mode, image.size, image.tobytes()).save(target, "PNG", pnginfo=info)
    return target


@pytest.fixture(scope="module")
def of_model(bundle, held_out):
    """Return an image that no reference is like, of a model that its pixels give away, and the answer about it."""
    with held_out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    verdicts = attribute(Bundle.load(bundle), [row["path"] for row in rows], workers=1)
    sure = [
        (Path(row["path"]), row["model"], verdict)
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.prediction_set == (row["model"],) and verdict.decision == "attributed"
    ]
    return max(sure, key=lambda one: one[2].probability)


@pytest.fixture(scope="module")
def forged(bundle, of_model, tmp_path_factory):
    source, maker, _ = of_model
    liar = next(name for name in Bundle.load(bundle).classes if name != maker)
    path = tmp_path_factory.mktemp("forged") / "forged.png"
    return write_png(source, path, FORGED.format(model=liar))


class TestProvenance:
    def test_json_is_what_python_says(self, cli, images):
        result = cli("provenance", images, "--json")
        assert result.exit_code == 0
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [Path(line["uri"]).name for line in lines] == ["café.jpg", "notes.txt", "one.jpg"]
        assert lines == [found.to_dict() for found in inspect([line["uri"] for line in lines])]
        assert Provenance.from_dict(lines[0]).to_dict() == lines[0]

    def test_in_a_pipe_json_is_the_default(self, cli, images):
        assert json.loads(cli("provenance", images / "one.jpg").stdout)["error"] is None

    def test_nothing_is_no_evidence(self, cli, tmp_path):
        path = write_png(sample_path() / "campaign" / "02.jpg", tmp_path / "bare.png")
        for form in ("--table", "--json"):
            text = cli("provenance", path, form, "--layer", "metadata").stdout
            assert "none found" in text
            assert "clean" not in text

    def test_table(self, cli, tmp_path, images):
        pytest.importorskip("sd_parsers", reason="generators' parameters need the provenance extra")
        path = write_png(images / "one.jpg", tmp_path / "one [x].png", FORGED.format(model="realsr-df2k"))
        text = cli("provenance", path, tmp_path / "gone.png", "--table", "--layer", "metadata").stdout
        assert str(path) in text.splitlines()[0]
        assert any("realsr-df2k" in line and "weak, unverified" in line for line in text.splitlines())
        assert "could not be read" in text

    def test_layers_are_chosen(self, cli, images):
        only = json.loads(cli("provenance", images / "one.jpg", "--layer", "credentials", "--json").stdout)
        assert [layer["layer"] for layer in only["layers"]] == ["credentials"]
        result = cli("provenance", images / "one.jpg", "--layer", "aura")
        assert result.exit_code == 1
        assert "there are credentials" in result.stderr

    def test_layers_are_listed(self, cli, monkeypatch):
        monkeypatch.setattr("morelli.provenance.credentials.layer.library", lambda: None)
        rows = [json.loads(line) for line in cli("provenance", "--layers", "--json").stdout.splitlines()]
        assert [row["layer"] for row in rows] == list(list_layers())
        assert "pip install" in rows[0]["reason"]
        assert "pip install" in cli("provenance", "--layers").stdout

    def test_strict(self, cli, tmp_path, images):
        assert cli("provenance", images / "one.jpg", "--strict").exit_code == 0
        assert cli("provenance", tmp_path / "gone.png", "--strict").exit_code == 1
        pytest.importorskip("c2pa", reason="needs morelli[provenance]")
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
        result = cli("provenance", broken, "--strict", "--layer", "credentials")
        assert result.exit_code == 1
        assert "malformed" in result.stderr
        assert cli("provenance", broken, "--layer", "credentials").exit_code == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "name images"),
            (["x.png", "--json", "--table"], "choose one"),
        ],
    )
    def test_no_sense(self, cli, arguments, words):
        result = cli("provenance", *arguments)
        assert result.exit_code == 2
        assert words in result.stderr

    def test_anchors_that_are_none(self, cli, images):
        result = cli("provenance", images / "one.jpg", "--trust-anchors", images / "notes.txt")
        assert result.exit_code == 1
        assert "BEGIN CERTIFICATE" in result.stderr

    def test_signed(self, cli, tmp_path):
        pytest.importorskip("c2pa", reason="needs morelli[provenance]")
        from provenance._signing import picture, root, sign

        (tmp_path / "anchors.pem").write_bytes(root("root").pem)
        (tmp_path / "a.jpg").write_bytes(sign(picture()))
        (tmp_path / "b.jpg").write_bytes(sign(picture()) + b"more")
        options = ["--trust-anchors", tmp_path / "anchors.pem", "--layer", "credentials"]
        good, bad = (cli("provenance", tmp_path / name, "--table", *options).stdout for name in ("a.jpg", "b.jpg"))
        assert "signer trusted                   yes" in good
        assert "strong, verified" in good
        assert "asset hash matches               NO" in bad
        assert "weak, failed" in bad


class TestAttribute:
    def test_stripped_and_forged_is_a_conflict(self, cli, bundle, of_model, tmp_path):
        """Made and signed as that of one model; credentials stripped, metadata forged to claim another."""
        pytest.importorskip("c2pa", reason="needs morelli[provenance]")
        from provenance._signing import action, claim, root, sign

        source, maker, _ = of_model
        candidates = Bundle.load(bundle).classes
        anchors = tmp_path / "anchors.pem"
        anchors.write_bytes(root("root").pem)
        original = write_png(source, tmp_path / "original.png")
        made = claim(action(source="trainedAlgorithmicMedia", agent={"name": maker}))
        original.write_bytes(sign(original.read_bytes(), "PNG", made))
        liar = next(name for name in candidates if name != maker)
        forged = write_png(original, tmp_path / "forged.png", FORGED.format(model=liar))
        silent = write_png(original, tmp_path / "silent.png")

        result = cli(
            "attribute", bundle, original, forged, silent, "--provenance", "--trust-anchors", anchors, "--json"
        )
        honest, lie, nothing = [Verdict.from_dict(json.loads(line)) for line in result.stdout.splitlines()]
        assert (honest.decision, honest.provenance["outcome"]) == ("attributed", "agreement")
        assert honest.provenance["declared"][0]["strength"] == "strong"
        assert (lie.decision, lie.provenance["outcome"]) == ("conflict", "conflict")
        assert lie.provenance["pixels"] == "attributed"
        assert (lie.label, lie.prediction_set) == (maker, (maker,)), "what the pixels say stays"
        assert [d["model"] for d in lie.provenance["declared"]] == [liar]
        assert all(layer["status"] != "found" for layer in lie.provenance["layers"] if layer["layer"] == "credentials")
        assert (nothing.decision, nothing.provenance["outcome"]) == ("attributed", "silence")

    def test_python_says_the_same(self, cli, bundle, images):
        lines = cli("attribute", bundle, images, "--provenance", "--json").stdout.splitlines()
        paths = [json.loads(line)["uri"] for line in lines]
        found = attribute_with_provenance(Bundle.load(bundle), paths, Settings(), workers=1)
        assert [json.loads(line) for line in lines] == [verdict.to_dict() for verdict in found]

    def test_without_the_flag_nobody_looks(self, cli, bundle, images):
        assert json.loads(cli("attribute", bundle, images / "one.jpg").stdout)["provenance"] == {}

    def test_table_and_csv(self, cli, bundle, forged, of_model):
        pytest.importorskip("sd_parsers", reason="generators' parameters need the provenance extra")
        lines = cli("attribute", bundle, forged, "--provenance", "--table").stdout.splitlines()
        assert lines[1].startswith("conflict")
        assert of_model[1] in lines[1]
        assert "declared: conflict" in lines[2]
        (row,) = csv.DictReader(io.StringIO(cli("attribute", bundle, forged, "--provenance", "--csv").stdout))
        assert (row["decision"], row["provenance"]) == ("conflict", "conflict")
        assert "consistent with" in row["provenance_reason"]

    def test_page(self, cli, bundle, forged, tmp_path):
        pytest.importorskip("sd_parsers", reason="generators' parameters need the provenance extra")
        page = tmp_path / "page.html"
        cli("attribute", bundle, forged, "--provenance", "--html", page)
        text = page.read_text(encoding="utf-8")
        assert '<span class="badge conflict">conflict</span>' in text
        assert "What is declared" in text
        assert "declared: conflict" in text
        cli("attribute", bundle, forged, "--html", page)
        assert "declared" not in page.read_text(encoding="utf-8")

    def test_what_is_declared_is_not_pooled(self, cli, bundle, forged):
        lines = cli("attribute", bundle, forged, "--provenance", "--pool", "--json").stdout.splitlines()
        loaded = Bundle.load(bundle)
        (pooled,) = pool_verdicts(loaded, attribute(loaded, [forged], workers=1))
        assert json.loads(lines[-1]) == pooled.to_dict()

    def test_a_candidate_for_photographs(self, cli, bundle, of_model, tmp_path):
        source, maker, _ = of_model
        taken = Image.Exif()
        taken[271], taken[272] = "Acme", "Pinhole"
        path = tmp_path / "taken.png"
        with Image.open(write_png(source, path)) as image:
            image.load()
            image.save(path, exif=taken)
        other = next(name for name in Bundle.load(bundle).classes if name != maker)
        options = ["attribute", bundle, path, "--provenance", "--json"]
        found = [
            json.loads(cli(*options, *more).stdout)["provenance"]["outcome"]
            for more in ([], ["--photographs", maker], ["--photographs", f"{other}"])
        ]
        assert found == ["not testable", "agreement", "conflict"]
        assert cli(*options, "--photographs", "nobody").exit_code == 2

    def test_options_without_the_flag(self, cli, bundle, images):
        result = cli("attribute", bundle, images, "--aliases", images / "notes.txt")
        assert result.exit_code == 2
        assert "give that too" in result.stderr

    def test_a_file_that_changes_meanwhile(self, bundle, images, tmp_path, monkeypatch):
        """Facts and pixels are those of the bytes that were read, in spite of what the file became meanwhile."""
        from morelli.provenance import looking

        source, path = images / "one.jpg", tmp_path / "one.jpg"
        path.write_bytes(source.read_bytes())
        open_file = looking.open_file

        def then_change(given, limits):
            found = open_file(given, limits)
            write_png(images / "deeper" / "café.jpg", path, FORGED.format(model="realsr-df2k"))
            return found

        loaded = Bundle.load(bundle)
        (expected,) = attribute_with_provenance(loaded, [source], workers=1)
        monkeypatch.setattr(looking, "open_file", then_change)
        (verdict,) = attribute_with_provenance(loaded, [path], workers=1)
        assert replace(verdict, uri=str(source)) == expected
        monkeypatch.undo()
        (after,) = attribute_with_provenance(loaded, [path], workers=1)
        assert after.image_id != expected.image_id, "the file has changed"

    @pytest.mark.parametrize("workers", [1, 2])
    def test_pixels_say_what_they_say_without_the_flag(self, bundle, images, tmp_path, workers):
        Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
        cut = tmp_path / "cut.jpg"
        cut.write_bytes((images / "one.jpg").read_bytes()[:2000])
        paths = [images / "one.jpg", tmp_path / "tiny.png", cut, images / "notes.txt", tmp_path / "gone.png", tmp_path]
        loaded = Bundle.load(bundle)
        with_provenance = attribute_with_provenance(loaded, paths, layers=("metadata",), workers=workers)
        assert [pixels_only(verdict) for verdict in with_provenance] == list(attribute(loaded, paths, workers=1))

    def test_no_workers(self, bundle):
        with pytest.raises(MorelliError, match="at least one worker"):
            attribute_with_provenance(Bundle.load(bundle), [], workers=0)

    def test_a_layer_that_cannot_be_set_up_says_so_first(self, bundle, tmp_path):
        with pytest.raises(MorelliError, match="cannot be read"):
            attribute_with_provenance(Bundle.load(bundle), [], Settings(trust_anchors=tmp_path / "gone.pem"))
