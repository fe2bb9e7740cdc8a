"""SIGTERM ends a command as Ctrl-C does, and its children as it always did."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from vlm_agent.core.system.signals import deferrable, sigterm_interrupts


def test_sigterm_interrupts_inside_the_block_alone():
    with sigterm_interrupts():
        assert deferrable() == (signal.SIGINT, signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert deferrable() == (signal.SIGINT,)


def test_a_programs_own_handlers_are_left_alone():
    heard = []
    before = {
        number: signal.signal(number, lambda number, frame: heard.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with sigterm_interrupts():
            assert deferrable() == ()
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [signal.SIGTERM]


def test_another_thread_cannot_set_handlers():
    found = []

    def enter():
        with sigterm_interrupts():
            found.append(deferrable())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [()]


def test_children_end_without_a_traceback():
    """Workers that the process terminates are not told what it does with the signal."""
    program = (
        "import multiprocessing, time\n"
        "def work(started):\n"
        "    started.set()\n"
        "    time.sleep(60)\n"
        "from vlm_agent.core.system.signals import sigterm_interrupts\n"
        "with sigterm_interrupts():\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    started = context.Event()\n"
        "    child = context.Process(target=work, args=(started,))\n"
        "    child.start()\n"
        "    started.wait()\n"
        "    child.terminate()\n"
        "    child.join()\n"
        "print(child.exitcode)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.stdout.strip(), ended.stderr) == (str(-signal.SIGTERM), "")
