"""How long the attack curves, the pool study and all D(i) take at the size of the paper, and in how much memory.

    python benchmarks/leaderboard.py [--csv benchmarks/leaderboard.csv]
    python benchmarks/leaderboard.py --models 6 --prompts 40 --images 9      # a smaller size

Embeddings are synthetic: for each prompt and model a mean (prompt, model and what is particular to the pair), and noise
for each seed, all with a spectrum that falls off as those of image encoders do; the scale is such that accuracies are
like those of Naseh et al. 2026. The fast way is :func:`morelli.leaderboard.exposure.attack_curve` and
:func:`~morelli.leaderboard.exposure.separability`, in a process of its own.

Beside it, in the same run, the straightforward way: for each prompt, draw and number of references scikit-learn's
NearestCentroid, for each prompt its NearestNeighbors, and for each pool a fit to the models of a random subset (at the
largest number of references only; the fast way has the pools for all). It is done for some prompts and draws, and its
time scaled to all; of one thread and as many as there are, the faster counts. It must give the same answers.

With 30 images, 30 references are 29: one image has to be left to be named.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestCentroid, NearestNeighbors
from threadpoolctl import threadpool_limits

from morelli._files import atomic_path
from morelli.leaderboard.board import Board
from morelli.leaderboard.exposure import attack_curve, separability
from morelli.leaderboard.exposure._nested import judged_by_prompt

KS = (1, 2, 5, 10, 30)
TAU = 0.9
FALL, OWN, PAIR, SPREAD = 0.9, 0.15, 0.6, 0.55
"""How the spectrum falls; the scale of models' offsets and of what is particular to a pair, where that of noise is 1;
and the standard deviation, between prompts, of the logarithm of the latter."""

INSIDE = "--inside"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("models", 22), ("prompts", 280), ("images", 30), ("dim", 512), ("draws", 10)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--beside-prompts", type=int, default=28, help="prompts for the straightforward way")
    parser.add_argument("--beside-draws", type=int, default=1, help="draws for the straightforward way")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="write the rows here too")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        measure(given)
        return
    command = [sys.executable, __file__, INSIDE, *(word for word in sys.argv[1:] if not word.startswith("--csv="))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [tuple(line.split("\t")) for line in output.splitlines()]
    rows += [(name, f"{value:.4g}", note) for name, value, note in beside(given, {a: b for a, b, _ in rows})]
    for row in rows:
        print("{:<58}{:>10}  {}".format(*row))
    if given.csv is not None:
        with atomic_path(given.csv) as path, path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("what", "value", "note"), *rows])


def synthetic(models: int, prompts: int, images: int, dim: int, seed: int) -> Board:
    """Return a board of synthetic embeddings, prompt by prompt, so that no array is as large as the board twice."""
    rng = np.random.default_rng(seed)
    spectrum = (np.arange(1, dim + 1) ** (-FALL / 2)).astype(np.float32)

    def noise(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal((*shape, dim), dtype=np.float32) * spectrum

    X = np.empty((prompts, models, images, dim), dtype=np.float32)
    offsets = OWN * noise(models)
    for p in range(prompts):
        told = PAIR * np.exp(SPREAD * rng.standard_normal(dtype=np.float32))
        X[p] = noise() + offsets[:, None] + told * noise(models, 1) + noise(models, images)
    return Board(
        X.reshape(-1, dim),
        np.tile(np.repeat(np.arange(models), images), prompts),
        np.repeat(np.arange(prompts), models * images),
        tuple(f"model {m:02d}" for m in range(models)),
        tuple(f"prompt {p:03d}" for p in range(prompts)),
    )


def measure(given: argparse.Namespace) -> None:
    """Do it the fast way, and print rows."""
    board = synthetic(given.models, given.prompts, given.images, given.dim, given.seed)
    sparse = peak()
    begin = time.perf_counter()
    curve = attack_curve(board, KS, given.draws, given.seed)
    attacked = time.perf_counter() - begin
    exposure = separability(board, TAU)
    whole = time.perf_counter() - begin
    size = f"{given.models} x {given.prompts} x {given.images} x {given.dim} float32"

    def tell(what: str, value: float, note: str) -> None:
        print(what, f"{value:.4g}", note, sep="\t")

    tell("seconds, all", whole, f"{size}; {given.draws} draws; {os.cpu_count()} processors")
    tell("seconds, attack curves with pools", attacked, "top-1 to top-3 with intervals over prompts")
    tell("seconds, separability", whole - attacked, "all D(i) with intervals")
    tell("peak memory, MiB", peak(), f"{sparse:.0f} of them with the embeddings alone, before anything is measured")
    for k in KS:
        point = curve.at(k)
        note = f"{point.low:.3f} to {point.high:.3f}, n {point.n}, chance {point.chance:.3f}, {point.references:g} held"
        tell(f"top-1, {k} references", point.accuracy, note)
    for size_ in curve.pools:
        point = curve.at(KS[-1], pool=size_)
        tell(f"top-1, {KS[-1]} references, pool of {size_}", point.accuracy, f"{point.low:.3f} to {point.high:.3f}")
    for top in (2, 3):
        tell(f"top-{top}, {KS[-1]} references", curve.at(KS[-1], top).accuracy, "")
    low, high = exposure.interval
    tell(f"mean D at {TAU}", exposure.mean_D, f"{low:.3f} to {high:.3f}")


def peak() -> float:
    """Return the peak memory of this process in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says of a process includes its parent's memory at the time of the fork
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)


def beside(given: argparse.Namespace, fast: dict[str, str]) -> list[tuple[str, float, str]]:
    """Do some of it the straightforward way, check that answers are the same, and scale the time."""
    some = min(given.beside_prompts, given.prompts)
    board = synthetic(given.models, some, given.images, given.dim, given.seed)
    draws = min(given.beside_draws, given.draws)
    answers = list(judged_by_prompt(board, KS, draws, given.seed, queries="one"))
    exposure = separability(board, TAU)
    pools = tuple(range(5, given.models, 5))
    seconds = {}
    warnings.simplefilter("ignore")  # NearestCentroid's, on variances of single references, which are not used
    for threads in {1, os.cpu_count() or 1}:
        with threadpool_limits(limits=threads, user_api="blas"):
            centroids, neighbours = 0.0, 0.0
            pooled = {size: [] for size in pools}
            for judged in answers:
                p = judged.images.prompt
                begin = time.perf_counter()
                ranks = attack_prompt(board, judged, draws, pools, pooled, given.seed)
                centroids += time.perf_counter() - begin
                assert (ranks == judged.ahead).all(), "the two ways name different models"
                begin = time.perf_counter()
                frac = frac_of_prompt(board, judged)
                neighbours += time.perf_counter() - begin
                assert np.allclose(frac, exposure.frac[p], atol=1e-12), "the two ways find different neighbours"
        seconds[threads] = centroids * given.draws / draws * given.prompts / some + neighbours * given.prompts / some
    curve = attack_curve(board, KS, draws, given.seed)
    apart = max([abs(float(np.mean(pooled[size])) - curve.at(KS[-1], pool=size).accuracy) for size in pools], default=0)
    best = min(seconds, key=lambda threads: seconds[threads])
    done = f"measured on {some} of {given.prompts} prompts and {draws} of {given.draws} draws, scaled"
    return [
        ("seconds, all, with scikit-learn for each prompt", seconds[best], f"{done}; {best} threads, the faster"),
        ("times faster", seconds[best] / float(fast["seconds, all"]), "the same answers: every rank, every frac"),
        ("pools, largest difference from random subsets", apart, f"{len(answers) * draws * 5} or more judgements each"),
    ]


def attack_prompt(board, judged, draws, pools, pooled, seed) -> NDArray[np.int64]:  # type: ignore[no-untyped-def]
    """Return how many models are ahead of the true one by draw, query and k; put answers within pools into `pooled`."""
    from morelli.leaderboard.exposure._geometry import PromptImages
    from morelli.leaderboard.exposure._nested import plan_draws

    images: PromptImages = judged.images
    X, y = board.X[images.rows].astype(np.float64), board.model[images.rows]
    plan = plan_draws(images, KS[-1], draws, seed, "one")
    rng = np.random.default_rng([seed, images.prompt])
    place = np.arange(len(y)) - images.starts[images.own]
    ranks = np.empty((draws, len(plan.queries), len(KS)), dtype=np.int64)
    for draw in range(draws):
        queries = plan.order[draw, plan.queries]
        for at, k in enumerate(KS):
            references = plan.order[draw, place < np.minimum(k, plan.reserved)[images.own]]
            fitted = NearestCentroid().fit(X[references], y[references])
            away = euclidean_distances(X[queries], fitted.centroids_)
            mine = away[np.arange(len(queries)), np.searchsorted(fitted.classes_, y[queries])]
            ranks[draw, :, at] = (away <= mine[:, None]).sum(axis=1) - 1
        for size in pools:
            subset = rng.choice(images.models, size, replace=False)
            kept, asked = np.isin(y[references], subset), np.isin(y[queries], subset)
            fitted = NearestCentroid().fit(X[references[kept]], y[references[kept]])
            pooled[size].extend((fitted.predict(X[queries[asked]]) == y[queries[asked]]).tolist())
    return ranks


def frac_of_prompt(board, judged) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """Return frac of each model by scikit-learn's neighbours: the nearest but the image itself."""
    X, y = board.X[judged.images.rows].astype(np.float64), board.model[judged.images.rows]
    _, nearest = NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X)
    other = np.where(nearest[:, 0] == np.arange(len(X)), nearest[:, 1], nearest[:, 0])
    return np.array([(y[other[y == m]] == m).mean() for m in range(len(board.models))])


if __name__ == "__main__":
    main()
