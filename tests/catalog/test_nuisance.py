from __future__ import annotations

import json
import time

import numpy as np
import pytest

from morelli.catalog import container_features, nuisance_floor
from morelli.catalog.nuisance import _group_interval
from morelli.errors import CatalogError, NotEnoughDataError


@pytest.fixture
def catalog_with(table_of):
    """catalog_with(n, **columns): four models, every prompt by all of them, and a container that says nothing else."""

    def make(count, **columns):
        rng = np.random.default_rng(1)
        given = {
            "model": [f"m{row % 4}" for row in range(count)],
            "prompt_id": [f"p{row // 4}" for row in range(count)],
            "bytes": rng.integers(50_000, 90_000, count),
            "format": ["JPEG"] * count,
            "jpeg_quality": rng.integers(70, 99, count),
            "jpeg_tables": [f"t{number}" for number in rng.integers(0, 5, count)],
            "subsampling": rng.choice(["4:2:0", "4:4:4"], count).tolist(),
        }
        return table_of(count, **{**given, **columns})

    return make


def test_at_chance_when_the_container_is_independent(catalog_with):
    floor = nuisance_floor(catalog_with(400))
    assert floor.interval[0] <= 0.25 <= floor.interval[1]
    assert (floor.chance, floor.uniform, floor.n, floor.n_classes, floor.n_groups) == (0.25, 0.25, 400, 4, 100)
    assert not floor.gives_away
    assert "does not tell model" in floor.sentence
    assert floor.leak_free


def test_gives_away_by_jpeg_quality(catalog_with):
    floor = nuisance_floor(catalog_with(200, jpeg_quality=[80 + row % 4 for row in range(200)]))
    assert floor.accuracy > 0.95
    assert floor.gives_away
    assert next(iter(floor.columns)) == "jpeg_quality"
    assert "gives the label away" in floor.sentence
    assert "jpeg_quality" in floor.sentence


@pytest.mark.parametrize("column", ["format", "mode", "jpeg_tables", "icc_profile", "width", "metadata_bytes"])
def test_any_column_can_give_away(catalog_with, column):
    values = {
        "format": ["PNG", "JPEG"],
        "mode": ["RGB", "L"],
        "jpeg_tables": ["a", "b"],
        "icc_profile": [True, False],
        "width": [512, 640],
        "metadata_bytes": [0, 300],
    }[column]
    models = [f"m{row % 2}" for row in range(80)]
    floor = nuisance_floor(catalog_with(80, model=models, **{column: [values[row % 2] for row in range(80)]}), folds=3)
    assert floor.gives_away
    assert column in list(floor.columns)[:3]


def test_deterministic_and_json_ready(catalog_with):
    catalog = catalog_with(80)
    first, second = nuisance_floor(catalog, seed=3), nuisance_floor(catalog, seed=3)
    assert first == second
    assert json.loads(json.dumps(first.to_dict()))["accuracy"] == first.accuracy


def test_other_labels_and_missing_ones(catalog_with):
    catalog = catalog_with(80, language=["en", "de", None, "en"] * 20)
    assert nuisance_floor(catalog, "language").n == 60
    with pytest.raises(CatalogError, match="no column 'maker'"):
        nuisance_floor(catalog, "maker")


def test_too_little_data(catalog_with):
    with pytest.raises(NotEnoughDataError, match="at least two values of 'model'"):
        nuisance_floor(catalog_with(8, model=["m"] * 8))
    with pytest.raises(NotEnoughDataError, match="at least two values of 'domain'"):
        nuisance_floor(catalog_with(8), "domain")
    with pytest.raises(NotEnoughDataError, match="at least two groups"):
        nuisance_floor(catalog_with(8, prompt_id=["p"] * 8))


def test_large_catalogs_are_sampled_by_group(catalog_with):
    floor = nuisance_floor(catalog_with(800), max_images=203)
    assert floor.n == 200
    assert floor.n_groups == 50
    assert floor.n_available == 800


def test_thousands_of_rows_are_quick(catalog_with):
    catalog = catalog_with(3000)
    start = time.process_time()
    nuisance_floor(catalog)
    assert time.process_time() - start < 20


def test_features_have_no_label(catalog_with):
    catalog = catalog_with(12, jpeg_quality=[None] * 12, alpha=[None] * 12)
    matrix, origin = container_features(catalog)
    assert matrix.shape == (12, len(origin))
    assert np.isfinite(matrix).all()
    assert not {"model", "prompt_id", "image_id", "phash", "uri"} & set(origin.tolist())
    assert {"aspect", "bytes_per_pixel"} <= set(origin.tolist())


def test_interval_of_certain_answers_is_not_a_point():
    ids = np.arange(20)
    assert _group_interval(np.ones(20, bool), ids, 0)[0] == pytest.approx(20 / (20 + 1.96**2))
    assert _group_interval(np.zeros(20, bool), ids, 0)[1] == pytest.approx(1.96**2 / (20 + 1.96**2))
