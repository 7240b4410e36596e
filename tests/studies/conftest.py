from __future__ import annotations

import pytest

from _small import Small, build_small
from morelli.encoders import FeatureCache
from morelli.studies import Findings, Frame
from morelli.trials.cells import Results
from morelli.trials.runner import Outcome, run_trials


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """4 models x 12 photographs, measured on demand and once."""
    return build_small(tmp_path_factory.mktemp("small-studies"))


# Modules that have a `STUDY` and a fixture `frame` share how it is run.


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    return FeatureCache(tmp_path_factory.mktemp("study-cache") / "cache.sqlite")


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, frame: Frame, cache: FeatureCache) -> list[Outcome]:
    return run_trials(frame.catalog, request.module.STUDY.trials(frame), cache=cache, jobs=1)


@pytest.fixture(scope="module")
def results(outcomes: list[Outcome]) -> Results:
    return Results(outcomes)


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest, frame: Frame, results: Results) -> Findings:
    found: Findings = request.module.STUDY.find(frame, results)
    return found
