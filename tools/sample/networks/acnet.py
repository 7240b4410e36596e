"""ACNet and ARNet of Anime4KCPP, whose weights are compiled into the pyanime4k wheel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .base import Network, Pixels, Upscaler

_LIBRARY = "pyanime4k/pyac/pyac.cpython-311-x86_64-linux-gnu.so"
_SUM = "31154fe4b57d6dcc6249341ccb02ff59a86bdaf71f8d4867f5b63cc706455099"


def _loader(model: str) -> Callable[[Path], Upscaler]:
    def load(root: Path) -> Upscaler:
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        from pyanime4k.pyac import pyac

        processor = pyac.core.Processor("cpu", 0, model)
        if not processor.ok():
            raise RuntimeError(f"pyanime4k has no {model}: {processor.error()}")

        def upscale(image: Pixels) -> Pixels:
            return np.array(processor.process(np.ascontiguousarray(image), 2.0), dtype=np.uint8)

        return upscale

    return load


def _network(name: str, lineage: str) -> Network:
    return Network(
        name=name,
        lineage=lineage,
        version=f"{name} x2 (pyanime4k 3.1.0)",
        package="pyanime4k",
        files={_LIBRARY: _SUM},
        scale=2,
        licence="MIT",
        origin="Anime4KCPP (TianZerL)",
        load=_loader(name),
    )


NETWORKS: tuple[Network, ...] = (
    _network("acnet-gan", "ACNet"),
    _network("acnet-hdn0", "ACNet"),
    _network("acnet-hdn3", "ACNet"),
    _network("arnet-hdn", "ARNet"),
)
