from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from morelli.attributors.pixels import Recipe, train_pictures
from morelli.attributors.pixels.architectures import arrays_of
from morelli.attributors.pixels.processes import Processes, joined
from morelli.errors import MorelliError

RECIPE = {
    "size": "1-1@8-16", "side": 32, "epochs": 3, "warm_up": 1, "batch": 8, "at_once": 2, "rate_batch": 8,
    "learning_rate": 1e-3, "layer_scale": 0.5, "clip": 0.5, "smallest_crop": 0.5, "check": 0,
}  # fmt: skip
"""With everything that is random; steps of 7 images are cut into 4 and 3, and these into pairs."""

PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from safetensors.numpy import save_file
from morelli.attributors.pixels import Recipe, train_pictures
from morelli.attributors.pixels.architectures import arrays_of
from morelli.attributors.pixels.processes import joined
from morelli.attributors.pixels.training import Keeping

torch.set_num_threads(1)
folder, recipe = Path(sys.argv[1]), Recipe.from_dict(json.loads(sys.argv[2]))
pictures, codes = np.load(folder / "pictures.npy"), np.arange(14) % 3
with joined(torch, "cpu") as processes:
    def train(**options):
        return train_pictures(pictures, codes, 3, recipe, device="cpu", threads=1, processes=processes, **options)
    together = train()
    keeping = Keeping(folder / "part.safetensors", "a")
    train(keeping=keeping, stop_after=2)
    processes.wait()
    resumed = train(keeping=keeping)
    if processes.first:
        save_file(arrays_of(together.network), folder / "together.safetensors")
        save_file(arrays_of(resumed.network), folder / "resumed.safetensors")
"""


def run_two(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = []
    for rank in ("0", "1"):
        as_torchrun = {"WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1"}
        environment = {**os.environ, **as_torchrun, "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", PROGRAM, str(folder), json.dumps(RECIPE)]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    problems = [process.communicate(timeout=240)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], problems


def test_two_processes_train_what_one_does(torch, tmp_path):
    """By gloo, in the environment that torchrun sets."""
    if not torch.distributed.is_available():
        pytest.skip("this build of torch has no torch.distributed")
    pictures = np.random.default_rng(0).integers(0, 256, (14, 1, 40, 40, 3), dtype=np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    alone = arrays_of(train_pictures(pictures, np.arange(14) % 3, 3, Recipe(**RECIPE), device="cpu", threads=1).network)
    run_two(tmp_path)
    together, resumed = (load_file(tmp_path / f"{name}.safetensors") for name in ("together", "resumed"))
    for name, array in alone.items():
        assert np.allclose(together[name], array, atol=2e-5), name
        assert (together[name] == resumed[name]).all(), "and they resume to the last bit"


def test_alone():
    with joined(None, "cpu", {}) as processes:
        assert processes == Processes()
        assert processes.first
        processes.wait()
        processes.add_up([])
    with pytest.raises(MorelliError, match="have to be numbers"), joined(None, "cpu", {"WORLD_SIZE": "two"}):
        pass
