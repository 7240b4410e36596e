"""Ctrl-C at moments when it does no harm."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

__all__ = ["HeldInterrupts"]


class HeldInterrupts:
    """A context in which Ctrl-C waits: it is raised as KeyboardInterrupt when the context ends.

    Python raises KeyboardInterrupt between any two instructions, also while a library takes its locks one after the
    other. A lock that is never given back then stops the threads that wait for it, and so the end of the program. Does
    nothing outside the main thread, or where the program handles SIGINT in its own way.
    """

    def __init__(self) -> None:
        self._pending = False
        self._holds = False

    def __enter__(self) -> HeldInterrupts:
        main = threading.current_thread() is threading.main_thread()
        self._holds = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._holds:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._holds:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self._pending and kind is None:
                raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._pending = True
