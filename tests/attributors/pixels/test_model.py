from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from morelli.attributors.answers import Training
from morelli.attributors.bundle import References
from morelli.attributors.doubting import Doubting
from morelli.attributors.pixels import FEW, Architecture, PixelModel, PortableNetwork
from morelli.attributors.pixels.architectures import arrays_of
from morelli.attributors.pixels.graph import onnx_bytes
from morelli.attributors.pixels.judging import judge_pictures, torch_judge
from morelli.encoders.pictures import picture_encoder
from morelli.errors import BundleError, MorelliError

RECIPE = FEW.with_settings({"size": "1-2-1@8-16-24", "side": 32, "layer_scale": 0.7})
NAMES = ("ada", "bób", "cyd")


@pytest.fixture(scope="module")
def doubting():
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 3
    logits = rng.normal(size=(60, 3)) + 2 * np.eye(3)[codes]
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return Doubting.learn(logits, codes, codes * 0 + np.arange(60) // 3, np.arange(60) // 3 % 4, level=0.8, seed=0)[0]


@pytest.fixture(scope="module")
def network(torch):
    """With weights that are all of some size: at the beginning many are 0 or 1, and mistakes would not be seen."""
    network = RECIPE.architecture.build(3, 0)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return network.eval()


@pytest.fixture(scope="module")
def model(network, doubting):
    return PixelModel(
        recipe=RECIPE,
        layout="patches-40x4",
        layout_hash=picture_encoder("patches-40x4").recipe_hash,
        classes=NAMES,
        lineages=("A", None, "C"),
        label="model",
        arrays=arrays_of(network),
        doubting=doubting,
        training=Training(dict.fromkeys(NAMES, 20), 20, 1, 0.5, 1.0, True, ("A note.",)),
        references=References(frozenset(["ab" * 32]), frozenset(["cd" * 8]), "data", 0),
        seed=0,
        steps=7,
        signature="what decides",
        device="cpu",
    )


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).integers(0, 256, (5, 4, 40, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", ["1@8", "1-1@8-16", "2-1-3-1@8-16-24-40"])
def test_the_graph_is_the_network(size, torch):
    from morelli.networks.onnx_files import open_session

    architecture = Architecture.of("convnext", size, 0.5)
    network = architecture.build(4, 1).eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    seen = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    judge = torch_judge(network, "cpu", "convnext")
    expected = judge_pictures(judge, seen[:, None], 64, 8, 4)
    session = open_session(onnx_bytes(architecture, arrays_of(network), 64, 4, {}), 1)
    assert session.run(["log_proba"], {"pictures": seen})[0] == pytest.approx(expected, abs=1e-4)
    assert expected.std(axis=0).min() > 0.01, "the pictures are told apart"


def test_only_a_whole_convnext_is_written(network):
    with pytest.raises(MorelliError, match="Only networks of the kind convnext"):
        onnx_bytes(Architecture.of("resnet", "50"), {}, 64, 4, {})
    arrays = arrays_of(network)
    del arrays["convnext.layernorm.bias"]
    with pytest.raises(MorelliError, match=r"convnext\.layernorm\.bias' is missing"):
        onnx_bytes(RECIPE.architecture, arrays, 32, 3, {})
    arrays = arrays_of(network) | {"classifier.weight": np.zeros((3, 7), dtype=np.float32)}
    with pytest.raises(MorelliError, match="do not fit together"):
        onnx_bytes(RECIPE.architecture, arrays, 32, 3, {})


def test_there_and_back(model, pictures, tmp_path):
    path = model.save(tmp_path / "ünïcode" / "network.safetensors")
    again = PixelModel.load(path, device="cpu")
    assert again._document() == model._document()
    assert (again.predict_log_proba(pictures) == model.predict_log_proba(pictures)).all()
    assert again.references.image_ids == model.references.image_ids
    assert PixelModel.load(path.parent).classes == NAMES, "a folder will do"
    assert again.save(tmp_path / "second").read_bytes() == path.read_bytes()
    assert json.loads(json.dumps(model.describe()))["parameters"] == model.n_parameters


def test_answers_are_an_attributors(model, pictures, network):
    answers = model.answer(pictures)
    assert np.allclose(answers.proba.sum(axis=1), 1)
    assert answers.prediction_set.shape == (5, 3)
    assert (model.answer_rows(pictures, np.array([4, 1])).proba == model.answer(pictures[[4, 1]]).proba).all()
    assert (model.without(answers, "whole") == 1 / 3).all()
    assert list(model.weights_) == ["whole"]
    judge = torch_judge(network, "cpu", "convnext")
    by_torch = judge_pictures(judge, pictures, 32, 8, 3)
    assert model.predict_log_proba(pictures) == pytest.approx(by_torch, abs=1e-4)


def damaged(path, change):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(path)
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    document = json.loads(header["__metadata__"]["morelli.network"])
    change(arrays, document)
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    save_file(arrays, path, metadata={"morelli.network": text})
    return path


def test_what_is_damaged_edited_or_foreign_is_refused(model, tmp_path):
    from safetensors.numpy import save_file

    def fresh():
        return model.save(tmp_path / "network.safetensors")

    path = fresh()
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(BundleError, match="not a Morelli network, or cut off"):
        PixelModel.load(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(BundleError, match="a safetensors file, but not a Morelli network"):
        PixelModel.load(path)
    with pytest.raises(BundleError, match="there is no such file"):
        PixelModel.load(tmp_path / "nothing")
    with pytest.raises(BundleError, match="does not match its own hash"):
        PixelModel.load(damaged(fresh(), lambda arrays, _: arrays["weights/classifier.bias"].__iadd__(1)))
    with pytest.raises(BundleError, match="does not match its own hash"):
        PixelModel.load(damaged(fresh(), lambda _, document: document["classes"].reverse()))
    with pytest.raises(BundleError, match="schema version 99"):
        PixelModel.load(damaged(fresh(), lambda _, document: document.update(schema_version=99)))
    nothing = replace(model, arrays={**model.arrays, "classifier.bias": np.full(3, np.nan, dtype=np.float32)})
    with pytest.raises(BundleError, match="weights are not finite"):
        PixelModel.load(nothing.save(path))
    with pytest.raises(BundleError, match="decodes or resizes images otherwise"):
        PixelModel.load(replace(model, layout_hash="0" * 16).save(path))
    with pytest.raises(BundleError, match="not complete"):
        PixelModel.load(replace(model, layout="tea-leaves").save(path))


WITHOUT_TORCH = """
import json
import sys
from importlib.machinery import PathFinder

real = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name in ("torch", "transformers") else real(name, *rest)
import numpy as np
from morelli.attributors.pixels import PixelModel, PortableNetwork
from morelli.images import read_image

folder, image = sys.argv[1:]
portable = PortableNetwork(folder + "/network.onnx")
model = PixelModel.load(folder + "/network.safetensors")
looked = portable.look(read_image(image).pixels)
pictures = model.encoder.cut(read_image(image).pixels)[None]
print(json.dumps([portable.classes, looked.proba[0].tolist(), model.answer(pictures).proba[0].tolist()]))
"""


def test_judging_needs_no_torch(model, network, tmp_path):
    model.save(tmp_path / "network.safetensors")
    model.export(tmp_path / "network.onnx")
    pixels = np.random.default_rng(5).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path), str(tmp_path / "image.png")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    names, by_onnx, by_model = json.loads(process.stdout.splitlines()[-1])
    judge = torch_judge(network, "cpu", "convnext")
    cut = model.encoder.cut(pixels)[None]
    expected = model.doubting.answer(judge_pictures(judge, cut, 32, 8, 3)).proba[0]
    assert tuple(names) == NAMES
    assert by_onnx == by_model == pytest.approx(expected, abs=1e-4)


def test_onnx_files_of_others_are_refused(model, tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(onnx_bytes(RECIPE.architecture, model.arrays, 32, 3, {"format": "other"}))
    with pytest.raises(MorelliError, match="no network that morelli pixels export wrote"):
        PortableNetwork(path)
    model.export(path)
    assert model.to_onnx() == path.read_bytes(), "the same bytes again"
    replace(model, layout_hash="0" * 16).export(path)
    with pytest.raises(BundleError, match="decodes or resizes images otherwise"):
        PortableNetwork(path)
    model.export(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(MorelliError, match="ONNX file"):
        PortableNetwork(path)
