"""Ctrl-C at moments when it does no harm."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

__all__ = ["HeldInterrupts"]


class HeldInterrupts:
    """A context in which Ctrl-C waits: it is raised as KeyboardInterrupt when the context ends.

    Python raises KeyboardInterrupt between any two instructions, also while a library takes its locks one after the
    other. A lock that is never given back then stops the threads that wait for it, and so the end of the program.

    Processes that are started inside do not see Ctrl-C at all (on POSIX, where a child inherits which signals are
    blocked): it reaches all processes of a terminal, and those that are still importing would complain.

    Does nothing outside the main thread, or where the program handles SIGINT in its own way.
    """

    def __init__(self) -> None:
        self._pending = False
        self._holds = False
        self._mask: set[int] | None = None

    def __enter__(self) -> HeldInterrupts:
        main = threading.current_thread() is threading.main_thread()
        self._holds = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._holds:
            signal.signal(signal.SIGINT, self._note)  # for when another thread takes the signal
            if hasattr(signal, "pthread_sigmask"):
                self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._holds:
            if self._mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)  # what was waiting comes now
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self._pending and kind is None:
                raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._pending = True
