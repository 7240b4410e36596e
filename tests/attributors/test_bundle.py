from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from morelli.attributors import Bundle, References
from morelli.attributors import bundle as bundles
from morelli.attributors.bundle import SCHEMA_VERSION
from morelli.encoders import ForensicEncoder
from morelli.errors import BundleError

KEY = "morelli.bundle"


@pytest.fixture(scope="module")
def data(bundle_file: Path) -> bytes:
    return bundle_file.read_bytes()


def read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()[KEY])  # noqa: SIM118


def forge(path: Path, arrays: dict, document: dict) -> Path:
    """Write what an attacker (or a bug) could: any content, with the hash that belongs to it."""
    document.pop("id", None)
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    digest = (
        bundles._content_hash(arrays, json.loads(text)) if "NaN" not in text and "Infinity" not in text else "0" * 16
    )
    save_file(arrays, path, metadata={KEY: json.dumps({"id": digest, **document}, sort_keys=True, ensure_ascii=False)})
    return path


def refused(path: Path, why: str) -> None:
    with pytest.raises(BundleError, match=why) as caught:
        Bundle.load(path)
    assert str(caught.value).startswith(f"{path}: ")


# --- round trip ---------------------------------------------------------------------------------------------------


def test_round_trip(bundle, bundle_file, tmp_path):
    again = Bundle.load(bundle_file)
    assert again.id == bundle.id and len(bundle.id) == 16
    for name in ("name", "version", "label", "classes", "lineages", "open_set_level", "notes", "made_with"):
        assert getattr(again, name) == getattr(bundle, name), name
    for name in References.__dataclass_fields__:
        assert getattr(again.references, name) == getattr(bundle.references, name)
    assert again.encoder.recipe_hash == bundle.encoder.recipe_hash
    np.testing.assert_array_equal(again.self_test, bundle.self_test)
    X = np.random.default_rng(0).normal(size=(7, len(bundle.self_test)))
    np.testing.assert_array_equal(again.attributor.predict_proba(X), bundle.attributor.predict_proba(X))
    assert again.describe() == bundle.describe()
    assert again.save(tmp_path / "sub" / "again.morelli").read_bytes() == bundle_file.read_bytes()
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["again.morelli"]


def test_same_bytes_twice(bundle, data, tmp_path):
    assert bundle.save(tmp_path / "a").read_bytes() == data
    assert bundle.save(tmp_path / "a").read_bytes() == data  # over the old one


def test_description_is_json(bundle):
    description = bundle.describe()
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    assert [c["label"] for c in description["classes"]] == ["alba", "bruno", "carla"]
    assert description["references"]["images"] == 24 and description["references"]["prompts"] == 8


def test_images_and_prompts_cannot_be_read_back(data):
    assert b'"p3"' not in data
    assert b"alba-3.png" not in data


def test_id_follows_the_content(bundle):
    ids = {bundle.id, replace(bundle, name="other").id, replace(bundle, notes=("!",)).id}
    changed = bundle.self_test.copy()
    changed[0] = np.nextafter(changed[0], np.inf)
    ids |= {replace(bundle, self_test=changed).id, replace(bundle, open_set_level=0.01).id}
    fewer = replace(bundle.references, image_ids=frozenset(sorted(bundle.references.image_ids)[1:]))
    assert len(ids | {replace(bundle, references=fewer).id}) == 6


def test_id_does_not_follow_the_reader(bundle_file, bundle, monkeypatch):
    monkeypatch.setattr(bundles, "__version__", "99.0")
    later = Bundle.load(bundle_file)
    assert later.id == bundle.id
    assert later.describe()["made_with"] == bundle.made_with != "morelli 99.0"


def test_any_name(bundle, tmp_path):
    for name in ("", "Ünï 日本 🎨", 'quote " \\ / \n', "half \udc80 pair", "a\u2028b"):
        path = replace(bundle, name=name).save(tmp_path / "named.morelli")
        assert Bundle.load(path).name == name


def test_no_prompts(bundle, tmp_path):
    bare = replace(bundle, references=replace(bundle.references, prompt_hashes=frozenset()))
    assert Bundle.load(bare.save(tmp_path / "bare")).references.prompt_hashes == frozenset()


# --- versions of the candidates -----------------------------------------------------------------------------------

VERSIONS = ({"1.1": 3, "1.0": 5}, {}, {"2": 8})


def test_versions_are_kept(bundle, tmp_path):
    known = replace(bundle, class_versions=VERSIONS)
    assert known.id != bundle.id
    again = Bundle.load(known.save(tmp_path / "b"))
    assert again.id == known.id and again.class_versions == VERSIONS
    assert again.versions_of("alba") == {"1.0": 5, "1.1": 3} and again.versions_of("bruno") == {}
    assert [row["versions"] for row in again.describe()["classes"]] == list(VERSIONS)
    assert again.save(tmp_path / "again").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_bundle_without_versions_is_what_it_was(bundle, bundle_file):
    """Bundles from before there were any can be read, and the same references still give the same bundle."""
    assert "class_versions" not in read(bundle_file)[1]
    assert bundle.class_versions == () and bundle.versions_of("carla") == {}
    assert {str(row["versions"]) for row in bundle.describe()["classes"]} == {"{}"}


@pytest.mark.parametrize(
    "versions",
    [
        [["alba", {"1": 8}]],
        [["alba", {}], ["carla", {}], ["bruno", {}]],
        [["alba", {"1": 0}], ["bruno", {}], ["carla", {}]],
        [["alba", {"1": "8"}], ["bruno", {}], ["carla", {}]],
        [["alba", {"1": 1.5}], ["bruno", {}], ["carla", {}]],
        [["alba", []], ["bruno", {}], ["carla", {}]],
        [["alba"], ["bruno"], ["carla"]],
        {"alba": {"1": 8}},
        "all",
        None,
        [],
    ],
    ids=str,
)
def test_versions_that_cannot_be_right(versions, bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    refused(forge(tmp_path / "b", arrays, {**document, "class_versions": versions}), "not complete")


# --- damage -------------------------------------------------------------------------------------------------------


def test_no_file(tmp_path):
    refused(tmp_path / "none.morelli", "no such file")
    refused(tmp_path, "no such file")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        bytes(8),
        b"\xff" * 100,
        np.random.default_rng(0).bytes(5000),
        b"PK\x03\x04" + bytes(100),
        b'{"schema_version": 1}',
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
    ],
    ids=lambda content: repr(content[:8]),
)
def test_not_a_bundle(content, tmp_path):
    path = tmp_path / "odd.morelli"
    path.write_bytes(content)
    refused(path, "not a Morelli bundle")


def test_foreign_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"w": np.zeros(3)}, path, metadata=metadata)
        refused(path, "a safetensors file, but not a Morelli bundle")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "C64", "XYZ"])
def test_foreign_numbers(dtype, tmp_path):
    size = {"BF16": 2, "C64": 8}.get(dtype, 1)
    tensor = {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": {KEY: "{}"}, "a": tensor}).encode()
    path = tmp_path / "odd.morelli"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    refused(path, "bundle")


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "null", "{", "[" * 200_000, '{"a":' * 100_000, '"\\ud800"', "1e999"]
)
def test_damaged_description(text, tmp_path):
    path = tmp_path / "odd.morelli"
    save_file({"w": np.zeros(3)}, path, metadata={KEY: text})
    refused(path, "description is damaged")


def test_huge_description(tmp_path):
    path = tmp_path / "odd.morelli"
    save_file({"w": np.zeros(3)}, path, metadata={KEY: json.dumps({"x": "y" * 20_000_000})})
    refused(path, "schema version None")
    header = b'{"__metadata__":{"a":"' + b"y" * 101_000_000 + b'"}}'  # more than the format allows
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    refused(path, "not a Morelli bundle")


def test_too_large(bundle_file, monkeypatch):
    monkeypatch.setattr(bundles, "MAX_BYTES", 1000)
    refused(bundle_file, "larger than")


def test_truncated(data, tmp_path):
    path = tmp_path / "cut.morelli"
    for length in (0, 1, 7, 8, 9, 100, 1000, len(data) // 2, len(data) - 8, len(data) - 1):
        path.write_bytes(data[:length])
        refused(path, "not a Morelli bundle, or cut off")
    path.write_bytes(data + b"\0")
    refused(path, "not a Morelli bundle, or cut off")


SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(share=st.floats(0, 1, exclude_max=True))
def test_any_cut_is_refused(share, data, tmp_path):
    path = tmp_path / "cut.morelli"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BundleError):
        Bundle.load(path)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), in_header=st.booleans(), value=st.integers(1, 255))
def test_any_changed_byte_is_refused(place, in_header, value, data, tmp_path):
    header = 8 + int.from_bytes(data[:8], "little")
    at = int(place * header) if in_header else header + int(place * (len(data) - header))
    changed = bytearray(data)
    changed[at] ^= value
    path = tmp_path / "changed.morelli"
    path.write_bytes(changed)
    with pytest.raises(BundleError):
        Bundle.load(path)


def test_other_spellings_of_the_same_content_are_refused(data, tmp_path):
    """A hash of values does not see these; whoever compares files would."""
    path = tmp_path / "odd.morelli"
    header = 8 + int.from_bytes(data[:8], "little")
    assert data[header - 1 : header] in (b" ", b"}")
    exponent = next(
        i for i in range(8, header) if data[i - 1 : i + 3].decode("latin-1")[1:3] == "e-" and data[i - 1 : i].isdigit()
    )
    edits = [data[:exponent] + b"E" + data[exponent + 1 :]]
    if data[header - 1 : header] == b" ":
        edits.append(data[: header - 1] + b"\n" + data[header:])
    padded = (header - 8 + 8).to_bytes(8, "little") + data[8:header] + b"\t" * 8 + data[header:]
    for edited in (*edits, padded):
        path.write_bytes(edited)
        refused(path, "damaged or was edited")


def test_edited_arrays_and_description(bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    path = tmp_path / "edited.morelli"
    text = json.dumps({**document, "name": "forged"}, sort_keys=True, ensure_ascii=False)
    save_file(arrays, path, metadata={KEY: text})
    refused(path, "does not match its own hash")
    other = {**arrays, "self_test": arrays["self_test"] + 1}
    save_file(other, path, metadata={KEY: json.dumps(document, sort_keys=True, ensure_ascii=False)})
    refused(path, "does not match its own hash")


# --- content with the right hash ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 2, SCHEMA_VERSION + 1, str(SCHEMA_VERSION), None])
def test_other_schema_version(version, bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    refused(forge(tmp_path / "b", arrays, {**document, "schema_version": version}), f"reads version {SCHEMA_VERSION}")


def test_other_recipe(bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    document["encoder"]["recipe_hash"] = "0123456789abcdef"
    refused(forge(tmp_path / "b", arrays, document), "fitted with feature recipe 0123456789abcdef")


def test_recipe_of_this_installation_changed(bundle_file, monkeypatch):
    monkeypatch.setattr(ForensicEncoder, "recipe_hash", "0123456789abcdef")
    refused(bundle_file, "fitted with feature recipe .* measures 0123456789abcdef")


def test_self_test(bundle, bundle_file, tmp_path):
    off = replace(bundle, self_test=bundle.self_test * np.float32(1.01) + np.float32(0.01))
    refused(off.save(tmp_path / "b"), "self-test image otherwise")
    close = replace(bundle, self_test=bundle.self_test * np.float32(1 + 1e-6))
    assert Bundle.load(close.save(tmp_path / "b")).id == close.id
    arrays, document = read(bundle_file)
    for wrong in (arrays["self_test"][:-1], np.full_like(arrays["self_test"], np.nan), arrays["self_test"][None]):
        refused(forge(tmp_path / "b", {**arrays, "self_test": wrong}, document), "self-test")


def test_unknown_family(bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    document["encoder"]["name"] = "forensic[phrenology]"
    refused(forge(tmp_path / "b", arrays, document), "phrenology")


def test_an_encoder_that_is_not_here(bundle_file, tmp_path, monkeypatch):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "none"))
    arrays, document = read(bundle_file)
    document["encoder"]["name"] = "forensic+clip-vit-b16.openai-int8"
    refused(forge(tmp_path / "b", arrays, document), "morelli encoders fetch clip-vit-b16.openai-int8")


def test_another_encoder_is_refused(bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    document["encoder"]["name"] = "forensic[colour]"
    refused(forge(tmp_path / "b", arrays, document), "other columns")


@pytest.mark.parametrize("part", ["centre", "scale", "origin", "projection", "means", "variance"])
def test_arrays_are_checked(part, bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    name = f"view0.discriminant.colour.{part}"
    spoilt = arrays[name].copy()
    spoilt.flat[0] = np.nan
    refused(forge(tmp_path / "b", {**arrays, name: spoilt}, document), f"not complete .*{part} is not finite")
    for wrong in (arrays[name].astype(np.float32), arrays[name][..., :-1]):
        refused(forge(tmp_path / "b", {**arrays, name: np.ascontiguousarray(wrong)}, document), "not complete")
    refused(forge(tmp_path / "b", {k: v for k, v in arrays.items() if k != name}, document), "not complete .*KeyError")


def test_nothing_is_left_over(bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    refused(forge(tmp_path / "b", {**arrays, "stowaway": np.zeros(3)}, document), "more than a bundle")
    refused(forge(tmp_path / "b", arrays, {**document, "stowaway": 1}), "more than a bundle")
    ids = arrays["references.image_ids"]
    for wrong in (ids.astype(np.int64), ids[:, :-1].copy(), ids[:3, 0].copy()):
        refused(forge(tmp_path / "b", {**arrays, "references.image_ids": wrong}, document), "not complete")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("lineages",), ["north"]),
        (("lineages",), None),
        (("open_set_level",), float("nan")),
        (("open_set_level",), "high"),
        (("attributor", "experts", 0, "weights", "colour"), float("nan")),
        (("attributor", "experts", 0, "weights", "colour"), float("inf")),
        (("attributor", "experts", 0, "weights"), {}),
        (("attributor", "experts"), []),
        (("attributor", "experts"), None),
        (("attributor", "experts", 0, "view"), 3),
        (("attributor", "experts", 0, "classes"), ["alba", "bruno", "dora"]),
        (("attributor", "experts", 0, "n_features"), 3),
        (("attributor", "experts", 0, "blocks", 0), ["colour", 0, 10**30]),
        (("attributor", "experts", 0, "settings"), {"unknown": 1}),
        (("attributor", "classes"), ["a", "b"]),
        (("attributor", "classes"), [["a"], "b", "c"]),
        (("attributor", "n_features"), 3),
        (("attributor", "n_features"), 10**400),
        (("attributor", "blocks", 0), ["colour", 0, 10**30]),
        (("attributor", "blocks", 0), ["colour", 0]),
        (("attributor", "blocks"), []),
        (("attributor", "settings"), {"unknown": 1}),
        (("attributor", "experts", 0, "calibration", "calibrator", "temperature"), -1.0),
        (("attributor", "experts", 0, "calibration", "calibrator", "name"), "os.system"),
        (("attributor", "experts", 0, "conformal", "thresholds"), [0.5]),
        (("attributor", "experts", 0, "conformal", "method"), "guess"),
        (("attributor", "experts", 0, "rejector", "names"), ["doubt"]),
        (("attributor", "experts", 0, "open_set", "scores"), []),
        (("attributor", "experts", 0, "training", "notes"), 3),
        (("attributor",), None),
        (("references",), []),
        (("references", "n_unreadable"), "many"),
        (("encoder", "name"), []),
        (("encoder",), "forensic"),
        (("notes",), 7),
    ],
    ids=lambda x: ".".join(map(str, x)) if isinstance(x, tuple) else str(x)[:20],
)
def test_values_are_checked(path, value, bundle_file, tmp_path):
    arrays, document = read(bundle_file)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    refused(forge(tmp_path / "b", arrays, document), "not complete|damaged")


# --- nothing runs -------------------------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickle_does_not_run(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bomb.morelli"
    path.write_bytes(pickle.dumps(Bomb(), protocol))
    refused(path, "not a Morelli bundle")
    assert not Path("exploded").exists()
    np.save("object.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    refused(tmp_path / "object.npy", "not a Morelli bundle")
    assert not Path("exploded").exists()


def test_loading_neither_unpickles_nor_evaluates(bundle_file):
    """An audit hook sees what the interpreter does; modules are imported before, since importing compiles and runs."""
    program = f"""
import sys
from morelli.attributors import Bundle
import safetensors.numpy
Bundle.load({str(bundle_file)!r})
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
Bundle.load({str(bundle_file)!r})
forbidden = {{"pickle.find_class", "compile", "exec", "import", "os.system", "subprocess.Popen", "socket.connect"}}
print(sorted(set(seen) & forbidden))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
