"""Run the studies on the gallery, and keep their tables and figures in benchmarks/studies/.

    python benchmarks/studies.py GALLERY.csv --work FOLDER [--other OTHER-PIPELINE.csv] [--only scaling,versions]

Each study is the command that `COMMANDS` spells out, run in FOLDER/NAME; finished trials there are not done again. What
is kept of each are all its cells and tables as CSV and Markdown, its figures as SVG, and the command.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path

CLIP = "fused@forensic+clip-vit-b16.openai-int8"
HERE = Path(__file__).parent

COMMANDS = {
    "scaling": f"scaling GALLERY -a {CLIP},fused,logistic,knn,centroid",
    "scaling-five": f"scaling GALLERY -a {CLIP},fused --seeds 20 --set candidates=5",
    "scaling-five-background": (
        f"scaling GALLERY -a {CLIP} --seeds 20 --set candidates=5 --set background=true --set references=12"
    ),
    "versions": f"versions GALLERY -a {CLIP},fused",
    "openset": "openset GALLERY --folds 3",
    "openset-lineage": "openset GALLERY --folds 3 --set together=lineage",
    "domains": f"domains GALLERY --join {HERE / 'gallery-domains.csv'} --folds 15 -a fused,logistic",
    "independence": "independence GALLERY",
    "pipelines": "pipelines BOTH --set lineage=true --folds 3",
    "structure": "structure GALLERY --folds 3",
    "corruption": "corruption GALLERY --folds 3",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("--other", type=Path, help="images of other pipelines, for the study of that name")
    parser.add_argument("--work", type=Path, required=True, help="where finished trials and the whole results are")
    parser.add_argument("--cache", type=Path, help="of measured features; by default in the work folder")
    parser.add_argument("--only", help="names separated by commas")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    chosen = arguments.only.split(",") if arguments.only else list(COMMANDS)
    for name in chosen:
        words = COMMANDS[name].split()
        if "BOTH" in words:
            if arguments.other is None:
                print(f"{name}: left out, for it needs --other")
                continue
            words[words.index("BOTH")] = str(both(arguments.gallery.resolve(), arguments.other.resolve(), work))
        if "GALLERY" in words:
            words[words.index("GALLERY")] = str(arguments.gallery.resolve())
        begin = time.perf_counter()
        cache = arguments.cache or work / "features.sqlite"
        command = [sys.executable, "-m", "morelli", "study", *words, "-o", str(work / name), "--cache", str(cache)]
        done = subprocess.run(command, capture_output=True, text=True)
        print(f"{name}: {time.perf_counter() - begin:.0f} s, exit {done.returncode}", flush=True)
        print(done.stdout[-3000:] if done.returncode == 0 else done.stderr, flush=True)
        if done.returncode == 0:
            keep(work / name, HERE / "studies" / name, COMMANDS[name])


def both(gallery: Path, other: Path, work: Path) -> Path:
    """Write a table of the images of both sets, with their source."""
    rows = []
    for path in (gallery, other):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                source = row.get("source") or "sdnext"
                image = str(path.parent / row["path"])
                rows.append([image, source, row["model"], row["lineage"], row["prompt_id"]])
    table = work / "both.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["path", "source", "model", "lineage", "prompt_id"], *rows])
    return table


def keep(result: Path, target: Path, command: str) -> None:
    """Copy what is read by people, and say how it came about without the paths of this machine."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for pattern in ("tables/*.csv", "tables/*.md", "figures/*.svg"):
        for path in sorted(result.glob(pattern)):
            (target / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, target / path.parent.name / path.name)
    (target / "command.txt").write_text(
        f"morelli study {command}\n".replace(f"{HERE}/", "benchmarks/"), encoding="utf-8"
    )
    shutil.copy(result / "cells.csv", target / "cells.csv")


if __name__ == "__main__":
    main()
