from __future__ import annotations

import pickle
from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from morelli.encoders.encoder import N_CONTRASTS, ForensicEncoder, _contrast_basis, contrasts_of
from morelli.encoders.forensic import Family, Planes, list_families
from morelli.encoders.forensic import _registry as registry
from morelli.encoders.self_test import self_test_image
from morelli.errors import ImageReadError, MorelliError, NotEnoughDataError

from .conftest import picture


@pytest.fixture
def made_up() -> Iterator[dict[str, Family]]:
    """The registry, for families of a test to be put into."""
    before = dict(registry._FAMILIES)
    yield registry._FAMILIES
    registry._FAMILIES.clear()
    registry._FAMILIES.update(before)


def _constant(value: float, shape: tuple[int, ...], kind: type = np.float32) -> Family:
    return Family("made-up", 1, "nothing", lambda planes: np.full(shape, value, dtype=kind))


def test_every_family_is_measured_and_stacked_in_order() -> None:
    encoder = ForensicEncoder()
    encoded = encoder.encode(picture(1))
    assert tuple(encoded.mean) == encoder.families == tuple(family.name for family in list_families())
    assert encoder.name == "forensic"
    stacked = encoded.stack()
    assert stacked.shape == (1 + encoded.n_contrasts, encoder.dim) and stacked.dtype == np.float32
    for name, block in encoder.blocks.items():
        np.testing.assert_array_equal(stacked[0, block], encoded.mean[name])
        contrasts = encoded.contrasts[name]
        np.testing.assert_array_equal(stacked[1 : 1 + len(contrasts), block], contrasts)
        assert len(contrasts) == encoded.n_contrasts or (name == "layout" and not stacked[1:, block].any())


@pytest.mark.parametrize(("width", "height", "expected"), [(64, 64, 0), (160, 64, 1), (64, 160, 1), (160, 160, 3)])
def test_contrasts_are_as_many_as_the_regions_allow(width: int, height: int, expected: int) -> None:
    encoder = ForensicEncoder(["colour", "layout"])
    encoded = encoder.encode(picture(2, width, height))
    assert encoded.n_contrasts == expected
    assert (np.abs(encoded.contrasts["colour"]).sum(axis=1) > 0).tolist() == [True] * expected
    assert len(encoded.contrasts["layout"]) == 0
    assert encoded.stack().shape[0] == 1 + expected <= 1 + encoder.n_contrasts


def test_mean_and_contrasts_are_projections_of_the_regions() -> None:
    pixels = picture(3)
    family = next(family for family in list_families() if family.name == "colour")
    regions = family.measure(Planes(pixels)).astype(np.float64)
    encoded = ForensicEncoder(["colour"]).encode(pixels)
    np.testing.assert_allclose(encoded.mean["colour"], regions.mean(axis=0), rtol=1e-6, atol=1e-6)
    # The three contrasts of four regions are an orthonormal basis of what differs, and so have all of the spread.
    spread = ((regions - regions.mean(axis=0)) ** 2).sum(axis=0)
    squares = (encoded.contrasts["colour"].astype(np.float64) ** 2).sum(axis=0)
    np.testing.assert_allclose(squares, spread, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("regions", [1, 2, 3, 4, 7, 9, 16])
def test_contrast_basis_is_orthonormal_and_free_of_the_mean(regions: int) -> None:
    basis = _contrast_basis(regions)
    assert basis.shape == (min(regions - 1, N_CONTRASTS), regions)
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=1), 0, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4]))
def test_contrasts_do_not_see_what_all_regions_share(seed: int, regions: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((regions, 5)).astype(np.float32)
    shared = rng.standard_normal(5).astype(np.float32)
    np.testing.assert_allclose(contrasts_of(values + shared), contrasts_of(values), atol=1e-5)


def test_contrasts_have_the_variance_of_one_region() -> None:
    noise = np.random.default_rng(0).standard_normal((4, 40_000)).astype(np.float32)
    np.testing.assert_allclose(contrasts_of(noise).var(axis=1), 1, rtol=0.03)


def test_equal_pixels_give_equal_bits_in_any_number_of_threads() -> None:
    encoder, pixels = ForensicEncoder(), picture(4)
    expected = encoder.encode(pixels).stack().tobytes()
    results: list[bytes] = []
    threads = [Thread(target=lambda: results.append(encoder.encode(pixels).stack().tobytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_threads_of_linear_algebra_are_given_back() -> None:
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    ForensicEncoder(["layout"]).encode(picture(5))
    assert [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"] == before


def test_recipe_names_what_changes_numbers(made_up: dict[str, Family], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ForensicEncoder(["colour", "layout"])
    assert next(iter(plain.recipe)) == "schema"
    assert set(plain.recipe_hash) <= set("0123456789abcdef") and len(plain.recipe_hash) == 16
    assert plain.recipe_hash == ForensicEncoder(["colour", "layout"]).recipe_hash
    others = [ForensicEncoder(["layout", "colour"]), ForensicEncoder(["colour"])]
    old = made_up["colour"]
    made_up["colour"] = Family(old.name, old.version + 1, old.summary, old.measure)
    others.append(ForensicEncoder(["colour", "layout"]))
    made_up["colour"] = old
    monkeypatch.setattr("morelli.encoders.encoder.decoder_fingerprint", lambda: {"jpeg": "otherwise"})
    others.append(ForensicEncoder(["colour", "layout"]))
    assert len({plain.recipe_hash, *(other.recipe_hash for other in others)}) == 5


def test_decoder_is_named_by_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    from morelli.encoders import encoder

    assert all(len(value) == 12 for value in encoder.decoder_fingerprint().values())

    def unsupported(data: bytes, name: str) -> None:
        raise ImageReadError(name, "unsupported", "not built in")

    monkeypatch.setattr(encoder, "read_image", unsupported)
    assert encoder._pixels_hash(b"", "webp") == "absent"


def test_self_test_image_never_changes() -> None:
    import hashlib

    image = self_test_image()
    assert image.shape == (192, 256, 3)
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == "c5daa371ee4346e3"


def test_self_test_tells_another_encoder_from_rounding() -> None:
    encoder = ForensicEncoder()
    vector = encoder.self_test_vector()
    assert vector.shape == (encoder.dim,) and vector.dtype == np.float32
    assert encoder.passes_self_test(vector * np.float32(1 + 1e-5))
    assert not encoder.passes_self_test(vector * np.float32(1.01))
    assert not encoder.passes_self_test(vector[1:])
    vector[:] = 0  # a copy: the encoder's own stays
    assert encoder.self_test_vector().any()


def test_pickled_encoder_is_the_same() -> None:
    encoder = ForensicEncoder(["sharpness", "colour"])
    copy = pickle.loads(pickle.dumps(encoder))
    assert copy.families == encoder.families and copy.recipe_hash == encoder.recipe_hash
    np.testing.assert_array_equal(copy.self_test_vector(), encoder.self_test_vector())
    assert copy.name == "forensic[sharpness,colour]"


def test_values_that_are_not_finite_are_an_error(made_up: dict[str, Family]) -> None:
    made_up["made-up"] = _constant(np.nan, (1, 3))
    with pytest.raises(MorelliError, match=r"3 of the 3 features of family made-up are not finite.*160x144"):
        ForensicEncoder(["made-up"]).encode(picture(6))


@pytest.mark.parametrize(("shape", "kind"), [((3,), np.float32), ((3, 2), np.float32), ((4, 2), np.float64)])
def test_a_family_of_another_shape_is_a_fault(made_up: dict[str, Family], shape: tuple[int, ...], kind: type) -> None:
    made_up["made-up"] = _constant(1, shape, kind)
    with pytest.raises(TypeError, match="family made-up should give float32"):
        ForensicEncoder(["made-up"]).encode(picture(6))


@pytest.mark.parametrize("families", [[], ["colour", "colour"], ["no-such"], "colour"])
def test_families_that_make_no_encoder(families: list[str]) -> None:
    with pytest.raises(MorelliError):
        ForensicEncoder(families)


def test_small_images_and_other_arrays_are_refused() -> None:
    encoder = ForensicEncoder(["colour"])
    with pytest.raises(NotEnoughDataError, match="40x90"):
        encoder.encode(picture(7, 40, 90))
    wrong: list[NDArray[np.generic]] = [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32)]
    for array in wrong:
        with pytest.raises(TypeError, match="uint8"):
            encoder.encode(array)  # type: ignore[arg-type]
