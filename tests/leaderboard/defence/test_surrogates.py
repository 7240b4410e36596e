from __future__ import annotations

import numpy as np
import pytest

from morelli.encoders import ForensicEncoder, JointEncoder
from morelli.encoders.pretrained import OnnxEncoder, PretrainedSpec, Sightings, transformers_encoder
from morelli.errors import MorelliError
from morelli.leaderboard.defence import SurrogateEncoder, check_held_out, held_out, shared_tensors
from morelli.leaderboard.defence.surrogates import tensors_of
from morelli.networks.places import Place

from ._leaderboard import encoder, tinted
from ._networks import KINDS, PLAIN, convnet, libraries, save

WHOLE = Sightings(crops=(), embedding=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_surrogate_gives_the_embedding_of_the_encoder(kind, tmp_path):
    torch, _ = libraries()
    folder = save(kind, tmp_path / kind)
    pixels = tinted(0, 0, "blue")
    theirs = transformers_encoder(folder, taps=WHOLE, device="cpu").encode(pixels).mean[f"{kind}/embedding"]
    surrogate = SurrogateEncoder.of_folder(Place("it", folder), device="cpu")
    values = torch.from_numpy(np.array(pixels.transpose(2, 0, 1)[None], dtype=np.float32)).requires_grad_(True)
    ours = surrogate(values)
    assert surrogate.name == "it" and ours.shape == (1, len(theirs))
    assert float(ours.detach().norm()) == pytest.approx(1, abs=1e-5)
    assert float(ours[0].detach().numpy() @ theirs) > 0.999
    ours[0, 0].backward()
    assert values.grad.abs().max() > 0
    assert all(not parameter.requires_grad for parameter in surrogate.module.parameters())


def test_loading_leaves_the_threads_of_torch_alone(tmp_path):
    torch, _ = libraries()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        SurrogateEncoder.of_folder(save("clip", tmp_path / "clip"), device="cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_fingerprints_tell_weights_apart():
    one, two, other = (SurrogateEncoder(convnet(seed), PLAIN, device="cpu") for seed in (0, 0, 1))
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert one.tensors == two.tensors and not one.tensors & other.tensors and one.tensors


def test_the_attack_encoder_is_held_out(tmp_path):
    own = SurrogateEncoder.of_folder(save("clip", tmp_path / "clip"), device="cpu")
    renamed = SurrogateEncoder.of_folder(save("clip", tmp_path / "copy"), device="cpu")
    other = SurrogateEncoder.of_folder(save("clip", tmp_path / "other", seed=1), device="cpu")
    attack = transformers_encoder(tmp_path / "clip", taps=WHOLE, device="cpu")
    check_held_out(attack, [other])
    check_held_out(encoder(), [own])
    for surrogate in (own, renamed):
        with pytest.raises(MorelliError, match="shares weights"):
            check_held_out(attack, [other, surrogate])
        with pytest.raises(MorelliError, match="shares weights"):
            check_held_out(JointEncoder([encoder(), attack]), [surrogate])
    assert shared_tensors(attack, [other]) == {"other": 0}
    assert [held_out(attack, [surrogate]) for surrogate in (own, other)] == ["no", "yes"]


def test_an_encoder_that_nobody_can_look_into_is_not_taken_for_held_out():
    class Foreign:
        name = "foreign"

    surrogate = SurrogateEncoder(convnet(), PLAIN, device="cpu")
    for attack in (Foreign(), JointEncoder([encoder(), ForensicEncoder(["layout"])])):
        if isinstance(attack, JointEncoder):
            check_held_out(attack, [surrogate])
            assert held_out(attack, [surrogate]) == "yes"
        else:
            assert held_out(attack, [surrogate]) == "unknown"
            with pytest.raises(MorelliError, match="cannot be looked at"):
                check_held_out(attack, [surrogate])


def test_a_converted_network_is_found_out(tmp_path):
    """An ONNX file with quantised matrices keeps biases and embeddings, some transposed."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    surrogate = SurrogateEncoder.of_folder(save("clip", tmp_path / "clip"), device="cpu")
    state = surrogate.module.state_dict()
    position = next(value for name, value in state.items() if name.endswith("position_embedding.weight")).numpy()
    rng = np.random.default_rng(0)
    for name, kept in (("same", position), ("turned", position.T), ("new", rng.normal(size=position.shape))):
        stored = numpy_helper.from_array(np.ascontiguousarray(kept, dtype=np.float32), "kept")
        graph = helper.make_graph(
            [helper.make_node("Identity", ["pixels"], ["out"])],
            "g",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, 32, 32])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 32, 32])],
            [stored],
        )
        path = tmp_path / f"{name}.onnx"
        onnx.save(helper.make_model(graph), str(path))
        spec = PretrainedSpec(name, "x.", "none", None, path.name, None, 3, 0, preprocessing=PLAIN, sightings=WHOLE)
        attack = OnnxEncoder(path, spec)
        assert bool(shared_tensors(attack, [surrogate])["clip"]) == (name != "new")


def test_arrays_that_say_nothing_are_left_out():
    assert tensors_of([np.ones(100), np.zeros((20, 20)), np.arange(5.0)]) == frozenset()
    assert len(tensors_of([np.arange(20.0), np.arange(20.0, dtype=np.float32)])) == 1


def test_other_modules_can_be_read_otherwise():
    torch, _ = libraries()
    values = torch.full((2, 3, 40, 40), 90.0)
    values[1, 0] = 200
    plain = SurrogateEncoder(convnet(), PLAIN, device="cpu")(values)
    maps = SurrogateEncoder(convnet(), PLAIN, read=lambda module, x: module[:2](x).mean(dim=(2, 3)), device="cpu")
    assert plain.shape == (2, 64) and maps(values).shape == (2, 12)


def test_bad_networks(tmp_path):
    torch, _ = libraries()
    with pytest.raises(MorelliError, match="no folder"):
        SurrogateEncoder.of_folder(tmp_path / "nothing")
    with pytest.raises(MorelliError, match="auto, cpu or cuda"):
        SurrogateEncoder(convnet(), PLAIN, device="tpu")
    broken = convnet()
    with torch.no_grad():
        broken[0].weight.fill_(float("nan"))
    with pytest.raises(MorelliError, match="not finite"):
        SurrogateEncoder(broken, PLAIN, device="cpu")(torch.zeros(1, 3, 40, 40))
    wrong = SurrogateEncoder(torch.nn.Linear(7, 2), PLAIN, device="cpu")
    with pytest.raises(MorelliError, match="fails on these images"):
        wrong(torch.zeros(1, 3, 40, 40))
