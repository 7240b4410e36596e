"""Several processes that train one network, as torchrun starts them: who is who, and sums over all of them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from morelli.errors import MorelliError

__all__ = ["Processes", "joined"]

_PATIENCE = datetime.timedelta(hours=12)
"""How long the others wait for the first, which decodes all images."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of how many processes this one is.

    Attributes
    ----------
    rank, world : int
    torch : module, optional
        Where there is more than one.
    """

    rank: int = 0
    world: int = 1
    torch: Any = None

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            self.torch.distributed.barrier()

    def add_up(self, tensors: Sequence[Any]) -> None:
        """Replace tensors of one type by their sums over all processes."""
        if self.world == 1 or not tensors:
            return
        # One message for all of them: a network has hundreds of small ones.
        flat = self.torch.cat([tensor.reshape(-1) for tensor in tensors])
        self.torch.distributed.all_reduce(flat)
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, total in zip(tensors, flat.split(sizes), strict=True):
            tensor.copy_(total.view_as(tensor))


@contextmanager
def joined(torch: Any, device: str, environment: Mapping[str, str] | None = None) -> Iterator[Processes]:
    """Join the processes that torchrun has started, for the time of a block; alone where it has not.

    Parameters
    ----------
    torch : module
    device : {"cpu", "cuda"}
        With ``cuda`` each process takes the device of its local rank.
    environment : mapping of str to str, optional
        Where ``WORLD_SIZE``, ``RANK`` and ``LOCAL_RANK`` stand; the process's own by default.

    Raises
    ------
    MorelliError
        The variables are no numbers, or torch can join no processes.
    """
    environment = os.environ if environment is None else environment
    try:
        world, rank, local = (int(environment.get(name, "0")) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"))
    except ValueError as error:
        raise MorelliError("WORLD_SIZE, RANK and LOCAL_RANK have to be numbers, as torchrun sets them.") from error
    if world <= 1:
        yield Processes()
        return
    if not torch.distributed.is_available():
        raise MorelliError("This build of torch cannot train in several processes; run one.")
    if device == "cuda":
        torch.cuda.set_device(local)
    torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(rank, world, torch)
    finally:
        torch.distributed.destroy_process_group()
