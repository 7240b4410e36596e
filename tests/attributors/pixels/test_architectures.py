from __future__ import annotations

import socket

import numpy as np
import pytest

from morelli.attributors.pixels.architectures import SIZES, Architecture, arrays_of
from morelli.errors import MorelliError, NetworkError
from morelli.networks import add_name

MILLIONS = {"atto": 3.37, "femto": 4.83, "pico": 8.54, "nano": 15.0, "tiny": 27.8, "small": 49.5, "base": 87.6}
"""Weights without the head of 1,000 classes: of timm's tables minus the head's."""


@pytest.fixture(scope="module")
def small():
    return Architecture.of("convnext", "1-1@8-16")


@pytest.mark.parametrize("size", SIZES["convnext"])
def test_published_sizes_have_their_number_of_weights(size, torch):
    architecture = Architecture.of("convnext", size)
    with torch.device("meta"):
        network = architecture.build(2, 0)
    head = 2 * (architecture.widths[-1] + 1)
    assert (sum(w.numel() for w in network.parameters()) - head) / 1e6 == pytest.approx(MILLIONS[size], rel=0.005)


def test_weights_follow_the_seed_alone(small, torch):
    before = torch.random.get_rng_state()
    first, again, other = (arrays_of(small.build(3, seed)) for seed in (0, 0, 1))
    assert (torch.random.get_rng_state() == before).all()
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)
    assert list(first) == sorted(first)


def test_restored_weights_give_the_same_network(small, torch):
    arrays = arrays_of(small.build(3, 5))
    pictures = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        one = small.build(3, 5).eval()(pixel_values=pictures).logits
        two = small.restore(3, arrays).eval()(pixel_values=pictures).logits
    assert torch.equal(one, two)
    with pytest.raises(MorelliError, match="not of this network"):
        small.restore(4, arrays)


def test_a_pretrained_folder_gives_all_but_the_head(small, torch, tmp_path):
    given = small.build(5, 7)
    given.save_pretrained(tmp_path / "net wörk")
    started = arrays_of(small.build(3, 0, str(tmp_path / "net wörk")))
    for name, array in arrays_of(given).items():
        if name.startswith("classifier"):
            assert started[name].shape[0] == 3
        else:
            assert (started[name] == array).all()


def test_pretrained_weights_are_never_downloaded(small, torch, tmp_path, monkeypatch):
    """Found as networks by others are: by folder, by a name that was given, or in the hub's cache."""
    import huggingface_hub.constants

    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("something is asked of the net"))
    for start in ("some-one/some-convnext", "nonsense", str(tmp_path / "nothing")):
        with pytest.raises(NetworkError, match=r"hf download|name a folder|There is no folder"):
            small.build(3, 0, start)
    small.build(5, 7).save_pretrained(tmp_path / "net")
    add_name("mine", tmp_path / "net")
    named, by_path = (arrays_of(small.build(3, 0, start)) for start in ("mine", str(tmp_path / "net")))
    assert all((named[name] == array).all() for name, array in by_path.items())


def test_other_pretrained_networks_are_refused(small, torch, tmp_path):
    small.build(5, 7).save_pretrained(tmp_path)
    with pytest.raises(MorelliError, match=r"depths \(1, 1\) and widths \(8, 16\); wanted is a convnext with \(1, 2\)"):
        Architecture.of("convnext", "1-2@8-16").build(3, 0, str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(MorelliError, match="No convnext could be had from"):
        small.build(3, 0, str(tmp_path))


def test_missing_weights_do_not_become_random_ones(small, torch, tmp_path):
    from safetensors.numpy import load_file, save_file

    small.build(5, 7).save_pretrained(tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    del arrays["convnext.layernorm.weight"]
    save_file(arrays, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MorelliError, match=r"lacks 1 weights of a convnext, convnext\.layernorm\.weight"):
        small.build(3, 0, str(tmp_path))


def test_a_folder_with_pickled_weights_only_is_refused(small, torch, tmp_path):
    network = small.build(5, 7)
    network.config.save_pretrained(tmp_path)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(MorelliError, match="No convnext could be had from"):
        small.build(3, 0, str(tmp_path))


def test_the_head_begins_ignorant(small, torch):
    with torch.no_grad():
        logits = small.build(4, 0).eval()(pixel_values=torch.rand(8, 3, 32, 32)).logits
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(8) % 4)
    assert float(loss) == pytest.approx(np.log(4), abs=0.3)
