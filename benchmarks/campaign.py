"""How much memory and time the set-level part of a campaign audit takes, by the number of images.

    OPENBLAS_NUM_THREADS=1 python benchmarks/campaign.py

Verdicts are made up (40 candidates, 3 in 100 unknown, 5 vendors) and written into records as an audit writes them;
each size is then stated and written as files by a process of its own, whose peak memory is measured. No image is
opened: what judging takes is one image's memory for each process, whatever their number. The row for 0 images shows
what Python and the libraries take. Results: benchmarks/campaign.csv.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

SIZES = (0, 1_000, 10_000, 100_000)
K = 40
NAMES = tuple(f"model-{k:02d}" for k in range(K))
COLUMNS = ("images", "records_mb", "write_records_s", "state_s", "write_files_s", "page_mb", "peak_mb")
OUTPUT = Path(__file__).with_suffix(".csv")


def main() -> None:
    rows = []
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            fill(Path(folder), n)
            written = time.perf_counter() - began
            command = [sys.executable, __file__, "--state", folder]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            size = (Path(folder) / "records.sqlite").stat().st_size / 1e6
            rows.append({"images": n, "records_mb": round(size, 1), "write_records_s": round(written, 1), **found})
            print(rows[-1], flush=True)
    with OUTPUT.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def fill(folder: Path, n: int) -> None:
    """Write records of `n` made-up verdicts."""
    from morelli.attributors import Candidate, Verdict
    from morelli.audit.campaign import RECORDS, FileRow, Judged, Records

    rng = np.random.default_rng(0)
    bundle = {"name": "made up", "version": "1", "id": "0" * 16}
    with Records(folder / RECORDS) as records:
        records.begin({"bundle": bundle, "candidates": list(NAMES), "provenance": {}})
        for start in range(0, n, 64):
            files, judged = [], []
            for i in range(start, min(n, start + 64)):
                proba = answer(rng, int(rng.integers(2)))
                order = np.argsort(-proba)
                p = float(rng.uniform(1e-3, 1))
                decision = "unknown" if p < 0.03 else "attributed" if proba.max() > 0.7 else "ambiguous"
                answered = None if decision == "unknown" else NAMES[order[0]]
                verdict = Verdict(
                    f"{i}.png", f"{i:064x}", decision, label=answered, probability=float(proba.max()),
                    candidates=tuple(Candidate(NAMES[k], float(proba[k]), 0.0) for k in order),
                    prediction_set=tuple(NAMES[k] for k in order[:3]), open_set_p=p,
                    evidence={f: {NAMES[k]: float(rng.normal()) for k in order[:5]} for f in "abcdefgh"},
                    bundle=bundle, provenance={"outcome": "silence", "layers": []},
                )  # fmt: skip
                name, path = f"drop {i // 1000}/{i}.png", f"/campaign/drop {i // 1000}/{i}.png"
                files.append((FileRow(i, name, path, f"{i:064x}", None, (f"vendor {i % 5}",)), (i, i)))
                words = np.log(proba).astype(np.float32)
                phash = int(rng.integers(1, 1 << 64, dtype=np.uint64))
                judged.append(Judged(verdict, i, words, phash, {"metadata": "none found"}))
            records.write(files, judged)
        records.finish(by=["vendor"], passed_over=0)


def answer(rng: np.random.Generator, model: int) -> np.ndarray:
    """Return calibrated probabilities for an image by a model: its logarithm has the mass that answers mostly have."""
    words = rng.normal(0, 1.5, K)
    words[model] += 3.0
    proba = np.exp(words - words.max())
    return proba / proba.sum() * 0.98 + 0.02 / K


def made_up_bundle() -> Any:
    """Return what the set-level part asks of a bundle, with answers about 15 references of each candidate."""
    from morelli.attributors.rehearsal import Rehearsal

    rng = np.random.default_rng(1)
    codes, groups = np.repeat(np.arange(K), 15), np.tile(np.arange(15), K)
    log_proba = np.log([answer(rng, model) for model in codes])
    hidden = np.array(log_proba)
    hidden[np.arange(len(codes)), codes] = np.nan
    hidden -= np.log(np.nansum(np.exp(hidden), axis=1, keepdims=True))
    p = rng.uniform(1e-3, 1, len(codes))
    rehearsal = Rehearsal(log_proba, codes, groups, p, hidden, codes, groups, p**2)
    return SimpleNamespace(
        name="made up", classes=NAMES, lineages=tuple(f"lineage {k // 4}" for k in range(K)), notes=(),
        open_set_level=0.03, attributor=SimpleNamespace(rehearsal=rehearsal),
        references=SimpleNamespace(image_ids=frozenset()),
    )  # fmt: skip


def measure(folder: Path) -> None:
    """State and write one audit; print what that took as JSON."""
    from morelli.audit.campaign import RECORDS, Measure, Records, audit_records
    from morelli.report.campaign import write_campaign

    bundle = made_up_bundle()
    began = time.perf_counter()
    with Records(folder / RECORDS) as records:
        audit = audit_records(records, Measure(bundle, NAMES[:2]), source="made up")
    stated = time.perf_counter() - began
    write_campaign(audit, folder)
    found = {
        "state_s": round(stated, 1),
        "write_files_s": round(time.perf_counter() - began - stated, 1),
        "page_mb": round((folder / "index.html").stat().st_size / 1e6, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--state"]:
        measure(Path(sys.argv[2]))
    else:
        main()
