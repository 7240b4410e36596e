from __future__ import annotations

import pickle
import stat
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from morelli.encoders import extract
from morelli.encoders.encoder import contrasts_of
from morelli.encoders.pretrained import OnnxEncoder, Sightings, get_pretrained, onnx_encoder
from morelli.encoders.pretrained.sightings import crops_of, network_input, resized_of
from morelli.errors import MorelliError

from .vit_writer import SIZE, TINY, VitWriter

TAPS = Sightings(crops=(1, 3), resized=(2,), grid=2, embedding=True)


def reference(path, pixels):
    """Return what the whole network gives: the embedding, then the value after each block."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"pixels": network_input(pixels, TINY)})


def statistics(tokens, prefix=1):
    patches = tokens[0, prefix:].astype(np.float64)
    return np.concatenate([patches.mean(axis=0), patches.std(axis=0)])


@pytest.mark.parametrize("prefix", [0, 1, 5])
@pytest.mark.parametrize("opset", [13, 17])
def test_taps_are_the_statistics_of_the_blocks(tmp_path, picture, prefix, opset):
    path = VitWriter().write(tmp_path / "vit.onnx", prefix=prefix, opset=opset)
    encoder = onnx_encoder(path, preprocessing=TINY, taps=TAPS)
    pixels = picture()
    encoded = encoder.encode(pixels)
    assert list(encoded.mean) == ["vit/crops1", "vit/crops3", "vit/resized2", "vit/embedding"]
    crops = crops_of(pixels, SIZE, 2)
    assert len(crops) == 4
    for tap in (1, 3):
        rows = np.stack([statistics(reference(path, crop)[tap], prefix) for crop in crops]).astype(np.float32)
        np.testing.assert_allclose(encoded.mean[f"vit/crops{tap}"], rows.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(encoded.contrasts[f"vit/crops{tap}"], contrasts_of(rows), rtol=1e-3, atol=1e-4)
    whole = reference(path, resized_of(pixels, TINY))
    np.testing.assert_allclose(encoded.mean["vit/resized2"], statistics(whole[2], prefix), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(encoded.mean["vit/embedding"], whole[0][0] / np.linalg.norm(whole[0][0]), rtol=1e-4)
    assert not encoded.contrasts["vit/resized2"].any()
    assert encoded.n_contrasts == 3


def test_blocks_and_vectors_fit(vit, picture):
    encoder = onnx_encoder(vit, preprocessing=TINY, taps=TAPS, name="tiny.random")
    assert encoder.name == "tiny.random"
    assert encoder.families == tuple(encoder.blocks)
    assert encoder.dim == encoder.self_test_vector().size == 3 * 12 + 5
    assert encoder.encode(picture()).stack().shape == (1 + encoder.n_contrasts, encoder.dim)
    assert encoder.passes_self_test(encoder.self_test_vector())
    assert not encoder.passes_self_test(encoder.self_test_vector()[::-1])
    assert not encoder.passes_self_test(encoder.self_test_vector()[1:])


def test_one_crop_has_no_contrasts(vit, picture):
    encoded = onnx_encoder(vit, preprocessing=TINY, taps=replace(TAPS, grid=1)).encode(picture())
    assert encoded.n_contrasts == 0
    assert not encoded.stack()[1:].any()


def test_equal_pixels_give_equal_bits_also_in_another_process(vit, picture):
    encoder = onnx_encoder(vit, preprocessing=TINY, taps=TAPS)
    again = pickle.loads(pickle.dumps(encoder))
    assert len(pickle.dumps(encoder)) < 5000
    assert again.recipe_hash == encoder.recipe_hash
    assert np.array_equal(again.encode(picture()).stack(), encoder.encode(picture()).stack())


def test_in_processes(vit, catalog):
    encoder = onnx_encoder(vit, preprocessing=TINY, taps=TAPS)
    here, there = (extract(catalog, encoder, workers=workers) for workers in (1, 2))
    assert np.array_equal(here.X, there.X, equal_nan=True)
    assert np.array_equal(here.within, there.within, equal_nan=True)
    assert here.blocks == dict(encoder.blocks)
    assert here.ok.sum() == 10
    assert sum("too few for a pretrained encoder" in str(error) for error in here.error) == 2


def test_the_recipe_knows_what_counts(vit):
    def hash_of(**changes):
        return onnx_encoder(vit, **{"preprocessing": TINY, "taps": TAPS, **changes}).recipe_hash

    other = [
        hash_of(taps=replace(TAPS, grid=3)),
        hash_of(taps=replace(TAPS, crops=(1,))),
        hash_of(preprocessing=replace(TINY, resample="bilinear")),
        hash_of(name="other"),
        hash_of(prefix_tokens=0),
    ]
    assert len({hash_of(), *other}) == 6
    assert hash_of() == hash_of(threads=2)
    VitWriter(seed=1).write(vit)
    assert hash_of() not in other


def test_the_cut_file_is_made_once(vit):
    encoder = onnx_encoder(vit, preprocessing=TINY, taps=Sightings(crops=(1, 2), resized=(2,)))
    (path,) = encoder.prepare()
    assert path.parent == vit.parent
    before = path.stat().st_mtime_ns
    assert onnx_encoder(vit, preprocessing=TINY, taps=Sightings(crops=(2, 1), resized=(2,))).prepare() == [path]
    assert path.stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_to(vit, tmp_path, monkeypatch, picture):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("morelli.encoders.pretrained.onnx_models.atomic_path", refusing(vit.parent))
    encoder = onnx_encoder(vit, preprocessing=TINY, taps=TAPS)
    assert {path.parent for path in encoder.prepare()} == {tmp_path / "weights" / "tapped"}
    encoder.encode(picture())


def refusing(folder):
    from morelli._files import atomic_path

    def make(path):
        if path.parent == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return atomic_path(path)

    return make


def test_files_are_readable_by_others(vit):
    (first, *_) = onnx_encoder(vit, preprocessing=TINY, taps=TAPS).prepare()
    assert first.stat().st_mode & stat.S_IRUSR


def test_inputs_that_do_not_fit(vit):
    with pytest.raises(
        MorelliError, match=r"shape \(batch, 3, 48, 48\); this network takes pixels \('batch', 3, 32, 32\)"
    ):
        onnx_encoder(vit, preprocessing=replace(TINY, size=48), taps=TAPS)


def test_a_number_of_tokens_that_cannot_be(tmp_path):
    path = VitWriter().write(tmp_path / "vit.onnx", prefix=40)
    with pytest.raises(MorelliError, match="not one token for each patch"):
        onnx_encoder(path, preprocessing=TINY, taps=TAPS)
    onnx_encoder(path, preprocessing=TINY, taps=TAPS, prefix_tokens=40)
    with pytest.raises(MorelliError, match="not one token for each patch"):
        onnx_encoder(path, preprocessing=TINY, taps=TAPS, prefix_tokens=56)


def test_another_file_than_the_spec_says(vit):
    with pytest.raises(MorelliError, match=r"its SHA-256 is .* instead of 2d2da5e2"):
        OnnxEncoder(vit, get_pretrained("clip-vit-b16.openai-int8"))


def test_a_network_that_cannot_be_run(vit):
    model = onnx.load(vit)
    next(node for node in model.graph.node if node.op_type == "Softmax").op_type = "Softmix"
    onnx.save_model(model, vit)
    with pytest.raises(MorelliError, match=r"[Tt]he network cannot be run|No transformer blocks"):
        onnx_encoder(vit, preprocessing=TINY, taps=TAPS)


def test_values_that_are_not_finite(vit, picture):
    model = onnx.load(vit)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 4:
            bad = np.full(tuple(tensor.dims), np.inf, dtype=np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(bad, tensor.name))
    onnx.save_model(model, vit)
    with pytest.raises(MorelliError, match="not finite"):
        onnx_encoder(vit, preprocessing=TINY, taps=TAPS).encode(picture())


def test_half_precision(tmp_path, picture):
    """Statistics are computed in single precision, whatever the network is."""
    path = VitWriter().write(tmp_path / "vit.onnx")
    model = onnx.load(path)
    half = onnx.TensorProto.FLOAT16
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype("f2"), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = half
    onnx.save_model(model, tmp_path / "half.onnx")
    full = onnx_encoder(path, preprocessing=TINY, taps=TAPS, name="vit").encode(picture()).stack()[0]
    other = onnx_encoder(tmp_path / "half.onnx", preprocessing=TINY, taps=TAPS, name="vit").encode(picture()).stack()[0]
    assert other.dtype == np.float32
    assert 0.999 < np.corrcoef(full, other)[0, 1] < 1


@pytest.mark.filterwarnings("ignore")  # of the exporter, about itself
def test_exported_by_torch(tmp_path, picture):
    torch = pytest.importorskip("torch", reason="needs the deep extra")
    transformers = pytest.importorskip("transformers", reason="needs the deep extra")
    config = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=SIZE, patch_size=8
    )
    torch.manual_seed(0)
    model = transformers.CLIPVisionModel._from_config(config, attn_implementation="eager").eval()
    path = tmp_path / "clip.onnx"
    values = torch.from_numpy(network_input(resized_of(picture(), TINY), TINY))
    try:
        torch.onnx.export(model, (values,), str(path), dynamo=False, opset_version=14, input_names=["pixels"])
    except Exception as error:
        pytest.skip(f"this torch does not export this transformers: {error}")
    with torch.inference_mode():
        states = model(values, output_hidden_states=True).hidden_states
    encoder = onnx_encoder(path, preprocessing=TINY, taps=Sightings(crops=(), resized=(1, 2, 3)))
    encoded = encoder.encode(picture())
    for tap in (1, 2, 3):
        np.testing.assert_allclose(
            encoded.mean[f"clip/resized{tap}"], statistics(states[tap].numpy()), rtol=1e-3, atol=1e-4
        )


def test_the_real_network_measures_what_it_holds(clip_file, picture):
    spec = get_pretrained("clip-vit-b16.openai-int8")
    encoder = OnnxEncoder(clip_file, spec, sightings=Sightings(crops=(), resized=(2,), embedding=True))
    encoded = encoder.encode(picture(300, 260))
    assert [len(values) for values in encoded.mean.values()] == [1536, 512]
    assert np.linalg.norm(encoded.mean[f"{spec.name}/embedding"]) == pytest.approx(1, abs=1e-5)
