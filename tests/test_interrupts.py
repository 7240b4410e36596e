import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from morelli._interrupts import HeldInterrupts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture(autouse=True)
def python_handles_interrupts():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_end():
    reached = False
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with HeldInterrupts():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            reached = True
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_is_raised():
    with HeldInterrupts():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_error_goes_first():
    with pytest.raises(ValueError, match="own"), HeldInterrupts():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_handles_interrupts_itself_keeps_its_handler():
    seen = []
    signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    with HeldInterrupts():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
    assert seen == [1]


def test_another_thread_has_nothing_to_hold():
    handlers = []

    def work():
        with HeldInterrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_nested_contexts_raise_once_at_the_outer_end():
    steps = []
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with HeldInterrupts():
            with HeldInterrupts():
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
                steps.append("inner")
            steps.append("outer")
    assert steps == ["inner", "outer"]


def test_a_child_that_is_started_inside_does_not_see_it(tmp_path):
    script = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(0.2); print('alive')"
    with HeldInterrupts():
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.communicate()[0] == "alive\n"
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert signal.SIGINT not in mask


HELD_TO_THE_END = """
import signal
from morelli.encoders import ForensicEncoder, iter_extract
from morelli._interrupts import HeldInterrupts
from morelli.sample import sample_path

blocked = []
leave = HeldInterrupts.__exit__

def look(self, *args):
    blocked.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
    return leave(self, *args)

HeldInterrupts.__exit__ = look
images = sorted((sample_path() / "campaign").glob("*.jpg"))[:2]
assert all(result.error is None for result in iter_extract(images, ForensicEncoder(), workers=2))
print(len(blocked) > 1 and all(blocked))
"""


def test_nothing_lets_interrupts_through_while_workers_start():
    """What starts the workers starts helpers too, and the standard library's unblocks SIGINT when it is started."""
    done = subprocess.run([sys.executable, "-c", HELD_TO_THE_END], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")
