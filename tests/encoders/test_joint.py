import pickle

import numpy as np
import pytest

from morelli.catalog import build_catalog
from morelli.encoders import Features, ForensicEncoder, JointEncoder, extract, join_encoders
from morelli.encoders.cache import FeatureCache
from morelli.errors import MorelliError


@pytest.fixture
def parts():
    return ForensicEncoder(["colour", "sharpness"]), ForensicEncoder(["layout"])


@pytest.fixture
def catalog(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for model in "ab":
        (tmp_path / "images" / model).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 256, (160, 130, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / model / f"{number} ü.png")
    (tmp_path / "images" / "a" / "small.png").write_bytes(b"")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "images" / "b" / "tiny.png")
    return build_catalog(tmp_path / "images", workers=1)


def test_vectors_stand_side_by_side(parts):
    joint, pixels = JointEncoder(parts), np.random.default_rng(1).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    stacked = np.concatenate([part.encode(pixels).stack() for part in parts], axis=1)
    assert np.array_equal(joint.encode(pixels).stack(), stacked)
    assert joint.dim == stacked.shape[1] == max(block.stop for block in joint.blocks.values())
    assert list(joint.blocks) == ["colour", "sharpness", "layout"]
    assert joint.encode(pixels).n_contrasts == parts[0].encode(pixels).n_contrasts


def test_extraction_is_by_part_and_shares_their_caches(parts, catalog, tmp_path):
    cache, seen = FeatureCache(tmp_path / "features.sqlite"), []
    alone = extract(catalog, parts[0], cache=cache, workers=1)
    table = extract(
        catalog, JointEncoder(parts), cache=cache, workers=1, progress=lambda done, total: seen.append((done, total))
    )
    assert len(cache) == 2 * alone.ok.sum() == 8
    assert seen[-1] == (12, 12) and seen == sorted(seen)
    assert np.array_equal(table.X[:, : parts[0].dim], alone.X, equal_nan=True)
    joint = JointEncoder(parts)
    assert dict(table.blocks) == joint.blocks and table.recipe_hash == joint.recipe_hash
    assert table.ok.tolist() == alone.ok.tolist() and sum(not ok for ok in table.ok) == 2
    assert np.isnan(table.X[~table.ok]).all() and (table.n_contrasts[~table.ok] == 0).all()


def test_the_hash_depends_on_parts_and_order(parts):
    hashes = {JointEncoder(parts).recipe_hash, JointEncoder(parts[::-1]).recipe_hash, parts[0].recipe_hash}
    assert len(hashes) == 3
    assert pickle.loads(pickle.dumps(JointEncoder(parts))).recipe_hash == JointEncoder(parts).recipe_hash


def test_the_self_test_is_that_of_the_parts(parts):
    joint = JointEncoder(parts)
    vector = joint.self_test_vector()
    assert joint.passes_self_test(vector)
    wrong = vector.copy()
    wrong[-1] += 1
    assert not joint.passes_self_test(wrong) and not joint.passes_self_test(vector[:-1])


def test_bad_parts_are_refused(parts):
    with pytest.raises(MorelliError, match="two encoders or more"):
        JointEncoder(parts[:1])
    with pytest.raises(MorelliError, match="twice: colour, sharpness"):
        JointEncoder([parts[0], parts[0]])


def test_encoders_are_joined_by_name():
    assert join_encoders("forensic").recipe_hash == ForensicEncoder().recipe_hash
    with pytest.raises(MorelliError, match="No encoder is called ''"):
        join_encoders("forensic+")
    with pytest.raises(MorelliError, match="at least one"):
        join_encoders([])


def test_tables_of_other_images_do_not_stand_side_by_side(parts, catalog):
    tables = [extract(catalog, part, workers=1) for part in parts]
    with pytest.raises(MorelliError, match="different images"):
        Features.beside([tables[0], tables[1].take(np.arange(len(tables[1]))[::-1])], "hash")
    with pytest.raises(MorelliError, match="different names"):
        Features.beside([tables[0], tables[0]], "hash")
    with pytest.raises(MorelliError, match="no features"):
        Features.beside([], "hash")
