"""The engine learns from labels of reviewers and never measures by them."""

from __future__ import annotations

import numpy as np
import pytest

from _small import CENTROID, bare_catalog
from morelli.encoders import ForensicEncoder, extract
from morelli.errors import CatalogError
from morelli.trials import cross_validate, evaluate
from morelli.trials.plan import Bench
from morelli.trials.trial import Fold, Trial


def test_a_trial_judges_none_of_them():
    reviewed = np.arange(36) % 3 == 0
    bench = Bench(
        bare_catalog(
            {
                "model": [f"m{i % 2}" for i in range(36)],
                "prompt_id": [f"p{i // 2}" for i in range(36)],
                "source": ["review:Ada" if one else None for one in reviewed],
            }
        )
    )
    judged, learned = set(), set()
    for number in range(3):
        planned = bench.plan(Trial(cell={}, attributor=CENTROID, fold=Fold(number, 3)))
        judged |= set(planned.test.tolist())
        learned |= set(planned.train.tolist())
    assert judged == set(np.flatnonzero(~reviewed).tolist())
    assert learned == set(range(36))


def test_nothing_is_measured_by_them(small):
    catalog = small.catalog
    features = extract(catalog, ForensicEncoder(("colour",)), cache=small.cache, workers=1)
    folds = catalog.codes("prompt_id")[0] % 3
    sources = np.where(np.arange(len(catalog)) % 5 == 0, "review:Ada", "vendor").astype(object)
    marked = catalog.with_column("source", sources)
    predictions = cross_validate(marked, features, folds)
    assert sorted(predictions.uri) == sorted(
        uri for uri, source in zip(catalog.column("uri"), sources, strict=True) if source == "vendor"
    )
    everything = catalog.with_column("source", np.full(len(catalog), "review:Ada", dtype=object))
    with pytest.raises(CatalogError, match="reviewer's label"):
        cross_validate(everything, features, folds)


def test_a_bundle_is_not_evaluated_on_them(small):
    marked = small.catalog.with_column("source", np.full(len(small.catalog), "review:Ada", dtype=object))
    with pytest.raises(CatalogError, match="48 of 48 images have a reviewer's label"):
        evaluate(None, marked)
