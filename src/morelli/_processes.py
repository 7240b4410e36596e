"""Work in several processes: results in the order of the jobs, with bounded memory, and Ctrl-C that ends them soon."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from itertools import chain, islice
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from morelli._interrupts import HeldInterrupts
from morelli.errors import MorelliError

__all__ = ["WorkerDied", "map_images", "map_in_processes", "processors"]

Job = TypeVar("Job")
Result = TypeVar("Result")

_FEW = 48
"""Fewer images than this are not worth the start of processes, about a second and a half."""

_WINDOW = 4
"""Jobs per worker that are being done or wait for a slower one before them."""

_ACTIVE = 2
"""Jobs per worker that are being done or are next; no more than loky hands out at once, see `_stop`."""

_PATIENCE = 0.2
"""Seconds between two looks for Ctrl-C while all workers are busy."""

_ORPHANED = 2.0
"""Seconds between two looks of a worker for the process that started it."""

# The workers share the processors; threads of linear algebra inside them would be in the way.
_ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"], "1"
)


class WorkerDied(RuntimeError):
    """A worker process ended before its work; the message is the first line of what is known about it."""


def map_in_processes(
    function: Callable[[Job], Result],
    jobs: Iterator[Job],
    workers: int,
    *,
    initializer: Callable[..., None],
    initargs: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """Yield what `function` makes of each job, in their order. Closing the iterator early stops the workers.

    Processes, because threads gain nothing here: numpy's short calls keep Python's lock. loky (of joblib, of
    scikit-learn) neither forks a process with threads nor runs the caller's main module again.

    Parameters
    ----------
    function : callable
        Of a module that the workers can import.
    jobs : iterator
        Read as far as workers are free, so that it may be long.
    workers : int
        Processes.
    initializer, initargs
        Called once in each process.

    Raises
    ------
    WorkerDied
    """
    from joblib.externals.loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

    if os.name == "posix":
        # Where it is not running yet, starting it would let Ctrl-C through in the middle of `HeldInterrupts`.
        resource_tracker.ensure_running()
    pool: Any = ProcessPoolExecutor(
        workers, initializer=_initialise, initargs=(os.getpid(), initializer, initargs), env=_ONE_THREAD
    )
    ordered: deque[Any] = deque()  # not yet given on
    active: set[Any] = set()  # not yet done
    more, finished = True, False
    try:
        while more or ordered:
            room = max(0, min(_ACTIVE * workers - len(active), _WINDOW * workers - len(ordered)))
            new = list(islice(jobs, room)) if more else []  # may wait for whoever types paths, and so for Ctrl-C
            more = more and len(new) == room
            with HeldInterrupts():
                ordered.extend(pool.submit(function, job) for job in new)
                active.update(islice(reversed(ordered), len(new)))
                if active and ordered and not ordered[0].done():
                    wait(active, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
                active = {future for future in active if not future.done()}
            while ordered and ordered[0].done():
                yield ordered.popleft().result()
        finished = True
    except BrokenProcessPool as error:
        raise WorkerDied(str(error).splitlines()[0]) from error
    finally:
        with HeldInterrupts():
            if finished:
                pool.shutdown(wait=True)
            else:
                _stop(pool, active)


def map_images(
    work: Callable[[Job], Result],
    jobs: Iterator[Job],
    workers: int | None,
    *,
    make: Callable[..., Callable[[Job], Result]],
    arguments: tuple[Any, ...],
) -> Generator[Result, None, None]:
    """Return an iterator of what `work` makes of each image, in their order, in this process or in several.

    Parameters
    ----------
    work : callable
        What this process would do with a job.
    jobs : iterator
        One for each image; read a few dozen ahead, from the thread that asks for results.
    workers : int or None
        Processes; 1 works in this one. By default as many as processors, and 1 for a few dozen images.
    make : callable
        Of a module that the workers can import: each calls it once, with `arguments`, for its own `work`.
    arguments : tuple
        What can be sent to other processes.

    Raises
    ------
    MorelliError
        At once, where there are no workers; later, where one has died.
    """
    if workers is not None and workers < 1:
        raise MorelliError("Images need at least one worker to be measured.")
    return _mapped(work, jobs, workers, make, arguments)


def _mapped(
    work: Callable[[Job], Result],
    jobs: Iterator[Job],
    workers: int | None,
    make: Callable[..., Callable[[Job], Result]],
    arguments: tuple[Any, ...],
) -> Generator[Result, None, None]:
    if workers is None:
        first = list(islice(jobs, _FEW))
        jobs = chain(first, jobs)
        workers = processors() if len(first) == _FEW else 1
    if workers == 1:
        yield from map(work, jobs)
        return
    try:
        yield from map_in_processes(_work_here, jobs, workers, initializer=_make_work, initargs=(make, arguments))
    except WorkerDied as error:
        raise MorelliError(
            f"A process that measured images has died, perhaps for want of memory. {error} "
            "Use fewer workers; workers=1 measures in this process."
        ) from error


_own_work: Callable[[Any], Any]
"""In a worker of `map_images`: what it does."""


def _make_work(make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    global _own_work
    _own_work = make(*arguments)


def _work_here(job: Any) -> Any:
    return _own_work(job)


def processors() -> int:
    """Return how many processors this process may use, counting the limits of a container."""
    from joblib import cpu_count

    return int(cpu_count())


def _initialise(parent: int, initializer: Callable[..., None], initargs: tuple[Any, ...]) -> None:
    """Set a worker process up."""
    import signal

    # Ctrl-C reaches all processes of a terminal; the parent decides and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":
        # A program that is killed cannot end its workers, and loky's would wait for its next job for ever.
        threading.Thread(target=_end_with, args=(parent,), name="morelli-orphan", daemon=True).start()
    initializer(*initargs)


def _end_with(parent: int) -> None:
    """End this process soon after its parent; an orphan is given to another one."""
    while os.getppid() == parent:
        time.sleep(_ORPHANED)
    os._exit(1)


def _stop(pool: Any, active: set[Any]) -> None:
    """End the workers now: whoever interrupts does not want to wait for the jobs in flight.

    loky stumbles (and says so on stderr) over jobs not yet handed out; the milliseconds are for that.
    """
    patience = time.monotonic() + 1.0
    while any(not (future.running() or future.done()) for future in active) and time.monotonic() < patience:
        time.sleep(0.001)
    pool.shutdown(wait=True, kill_workers=True)
