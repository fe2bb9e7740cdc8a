"""SIGTERM ends a command as Ctrl-C does, and its children as it always did."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from vlm_agent.core.system.signals import deferred_interrupts, sigterm_interrupts

pytestmark = pytest.mark.usefixtures("no_sigterm_handler")


def kill(number):
    signal.raise_signal(number)  # to this thread, at once


def test_the_first_sigterm_interrupts_inside_the_block():
    with sigterm_interrupts():
        with pytest.raises(KeyboardInterrupt):
            kill(signal.SIGTERM)
        kill(signal.SIGTERM)  # while what is left is saved
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_signals_wait_inside_a_block():
    told = []
    with sigterm_interrupts(), deferred_interrupts(told.append):
        kill(signal.SIGTERM)
        kill(signal.SIGTERM)
        assert told == [False]
        kill(signal.SIGINT)
        assert told == [False, True]
        with pytest.raises(KeyboardInterrupt):
            kill(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_whoever_was_told_is_not_interrupted_later(first):
    with sigterm_interrupts():
        with deferred_interrupts(lambda again: None):
            kill(first)
        kill(signal.SIGTERM)


def test_a_programs_own_handlers_are_left_alone():
    heard, told = [], []
    before = {
        number: signal.signal(number, lambda number, frame: heard.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with sigterm_interrupts(), deferred_interrupts(told.append):
            kill(signal.SIGTERM)
            kill(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == [signal.SIGTERM, signal.SIGINT]
    assert told == []


def test_another_thread_cannot_set_handlers():
    found = []

    def enter():
        with sigterm_interrupts(), deferred_interrupts(found.append):
            found.append("entered")

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == ["entered"]


@pytest.mark.parametrize("block", ["sigterm_interrupts()", "deferred_interrupts(print)"])
def test_children_end_without_a_traceback(block):
    """Workers that the process terminates are not told what it does with the signal."""
    program = (
        "import multiprocessing, time\n"
        "from vlm_agent.core.system.signals import deferred_interrupts, sigterm_interrupts\n"
        "def work(started):\n"
        "    started.set()\n"
        "    time.sleep(60)\n"
        f"with sigterm_interrupts(), {block}:\n"
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


def test_a_command_says_that_it_was_interrupted(tmp_path):
    played = tmp_path / "played.jsonl"
    words = ["eval", "--policy", "random", "--env", "gym_cards/NumberLine-v0"]
    words += ["--episodes", "1000000", "--json", str(played)]
    command = subprocess.Popen(
        [sys.executable, "-m", "vlm_agent", *words], stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if played.with_name("played.jsonl.progress").exists():
            break
        time.sleep(0.1)
    command.send_signal(signal.SIGTERM)
    assert "vlm-agent: interrupted" in command.communicate(timeout=60)[1]
    assert command.returncode == 130
