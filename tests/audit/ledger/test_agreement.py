from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from morelli.audit.ledger import cohen_kappa, krippendorff_alpha
from morelli.errors import MorelliError

from ._made import made_verdict

LABELS = st.sampled_from("abcd")
PAIRS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=60)

# Krippendorff, Computing Krippendorff's alpha-reliability (2011), section C: four observers, twelve units.
OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
UNITS = [[value for value in unit if value != "."] for unit in zip(*(row.split() for row in OBSERVERS), strict=True)]


@settings(deadline=None)
@given(PAIRS)
def test_kappa_is_that_of_scikit_learn(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    kappa, _ = cohen_kappa(first, second, n_boot=2)
    if len({*first, *second}) == 1:
        assert kappa is None
    else:
        assert kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_kappa_of_cohens_own_example():
    """Cohen 1960, table 1, as proportions of 200: kappa 0.492."""
    table = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    pairs = [(a, b) for a in range(3) for b in range(3) for _ in range(table[a][b])]
    kappa, interval = cohen_kappa([str(a) for a, _ in pairs], [str(b) for _, b in pairs])
    assert kappa == pytest.approx(0.492, abs=5e-4)
    # The large-sample variance of Fleiss, Cohen and Everitt (1969), equation 13.
    p = np.array(table) / 200
    rows, columns, right = p.sum(axis=1), p.sum(axis=0), np.trace(p)
    chance = rows @ columns
    diagonal = np.diag(p) @ ((1 - chance) - (rows + columns) * (1 - right)) ** 2
    apart = (1 - right) ** 2 * ((p - np.diag(np.diag(p))) * (columns[:, None] + rows) ** 2).sum()
    variance = (diagonal + apart - (right * chance - 2 * chance + right) ** 2) / (200 * (1 - chance) ** 4)
    assert interval[1] - interval[0] == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.06)


def test_alpha_of_krippendorffs_own_example():
    alpha, interval = krippendorff_alpha(UNITS)
    assert alpha == pytest.approx(0.743, abs=5e-4)
    assert interval[0] < alpha < interval[1]


@settings(deadline=None)
@given(PAIRS)
def test_alpha_of_two_complete_reviewers_is_scotts_pi_corrected(pairs):
    """Krippendorff 2011, section A: with two observers alpha = 1 - (1 - pi) (2n - 1) / 2n."""
    alpha, _ = krippendorff_alpha(pairs, n_boot=2)
    values = [value for pair in pairs for value in pair]
    shares = np.array([values.count(name) / len(values) for name in sorted(set(values))])
    chance = float((shares**2).sum())
    if len(shares) == 1:
        assert alpha is None
        return
    pi = (np.mean([a == b for a, b in pairs]) - chance) / (1 - chance)
    assert alpha == pytest.approx(1 - (1 - pi) * (len(values) - 1) / len(values), abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.lists(LABELS, max_size=4), max_size=20), st.randoms())
def test_alpha_does_not_depend_on_order_or_names_or_single_labels(units, random):
    before = krippendorff_alpha(units, n_boot=50, seed=1)
    names = dict(zip("abcd", "wxyz", strict=True))
    shuffled = [random.sample([names[value] for value in unit], len(unit)) for unit in units if len(unit) > 1]
    random.shuffle(shuffled)
    after = krippendorff_alpha(shuffled, n_boot=50, seed=1)
    assert (before[0] is None) == (after[0] is None)
    if before[0] is not None:
        assert after[0] == pytest.approx(before[0])
        assert before[0] <= 1


@pytest.mark.parametrize(
    "measure", [cohen_kappa, lambda a, b, **o: krippendorff_alpha(list(zip(a, b, strict=True)), **o)]
)
def test_intervals_cover(measure):
    """Two reviewers who agree by a known law: 95 of 100 intervals should hold the true value."""
    rng = np.random.default_rng(3)
    n, right, inside, runs = 150, 0.7, 0, 300
    # Each gives the true label (of three, equally likely) with this probability, else one of the others.
    observed = right**2 + (1 - right) ** 2 / 2
    true = (observed - 1 / 3) / (2 / 3)
    for run in range(runs):
        truth = rng.integers(0, 3, n)
        said = [(truth + np.where(rng.random(n) < right, 0, rng.integers(1, 3, n))) % 3 for _ in range(2)]
        _, interval = measure(*([str(value) for value in row] for row in said), n_boot=400, seed=run)
        inside += interval[0] <= true <= interval[1]
    assert 0.91 <= inside / runs <= 0.98


def test_what_is_not_defined():
    assert cohen_kappa([], []) == (None, None)
    assert cohen_kappa(["a", "a"], ["a", "a"]) == (None, None)
    assert cohen_kappa(["a"], ["b"]) == (0.0, None)
    assert krippendorff_alpha([]) == (None, None)
    assert krippendorff_alpha([["a"], ["b"]]) == (None, None)
    assert krippendorff_alpha([["a", "a"]]) == (None, None)
    with pytest.raises(MorelliError, match="3 and 2"):
        cohen_kappa(["a"] * 3, ["a"] * 2)


def test_the_same_seed_gives_the_same_interval():
    assert krippendorff_alpha(UNITS, seed=5) == krippendorff_alpha(UNITS, seed=5)
    assert krippendorff_alpha(UNITS, seed=5)[1] != krippendorff_alpha(UNITS, seed=6)[1]


def test_agreement_in_a_ledger(in_file):
    in_file.append_verdicts(made_verdict(number, "unknown" if number == 5 else "ambiguous") for number in range(6))
    in_file.append_verdict(made_verdict(6, "conflict"))
    seqs = [incident.seq for incident in in_file.incidents()]
    for place, (ada, grace) in enumerate(
        [("flux-1", "flux-1"), ("sdxl", "sdxl"), ("kolors", None), ("flux-1", "flux-1"), (None, "flux-1")]
    ):
        for reviewer, label in (("Ada", ada), ("Grace", grace)):
            ruling = {"ruling": "none"} if label is None else {"ruling": "relabel", "label": label}
            in_file.decide(seqs[place], reviewer, **ruling)
    in_file.decide(seqs[5], "Ada", "confirm")
    in_file.decide(seqs[6], "Ada", "relabel", label="sdxl")
    found = in_file.agreement()
    assert (found.n, found.n_twice) == (7, 5)
    (pair,) = found.pairs
    ada, grace = ["flux-1", "sdxl", "kolors", "flux-1", "-"], ["flux-1", "sdxl", "-", "flux-1", "flux-1"]
    assert (pair.first, pair.second, pair.n, pair.observed) == ("Ada", "Grace", 5, 0.6)
    assert pair.kappa == pytest.approx(cohen_kappa_score(ada, grace))
    assert found.alpha == krippendorff_alpha(list(zip(ada, grace, strict=True)))[0]
    # The conflict had no answer; "sdxl" was in the set; confirming "unknown" is its answer.
    assert [(one.reviewer, one.n, one.n_same, one.n_in_set) for one in found.machine] == [
        ("Ada", 6, 3, 4),
        ("Grace", 5, 3, 4),
    ]
    assert json.loads(json.dumps(found.to_dict()))["n"] == 7


def test_agreement_of_nobody(in_file):
    in_file.append_verdict(made_verdict(1))
    found = in_file.agreement()
    assert (found.n, found.alpha, found.pairs, found.machine) == (0, None, (), ())
    in_file.decide(2, "Ada", "confirm")
    assert in_file.agreement().machine[0].interval is None
