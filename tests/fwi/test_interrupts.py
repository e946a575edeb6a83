import contextlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from fwi.interrupts import Interrupted, check, held_back, raised

TWICE = """
import os, signal, sys, time
from fwi.interrupts import PATIENCE, Interrupted, raised
with raised():
    try:
        signal.raise_signal(signal.SIGTERM)
    except Interrupted:
        time.sleep(float(sys.argv[1]) * PATIENCE)
        signal.raise_signal(signal.SIGTERM)
        print("put away")
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_is_raised_in_the_block_and_its_exit_code_is_the_shells(number, code):
    before = signal.getsignal(number)

    with raised() as interruption:
        with pytest.raises(Interrupted):
            signal.raise_signal(number)
        assert interruption.came()

    assert interruption.exit_code == code
    assert signal.getsignal(number) is before


def test_nothing_came_where_nothing_was_sent():
    with raised() as interruption:
        assert not interruption.came(patience=0.01)


@pytest.mark.parametrize(("wait", "code", "said"), [(0, 0, "put away\n"), (1.2, 143, "")])
def test_second_signal_is_the_first_again_at_once_and_ends_at_once_later(wait, code, said):
    done = subprocess.run(
        [sys.executable, "-c", TWICE, str(wait)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (code, said)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("interrupt", [False, True])
def test_other_threads_keep_their_errors_to_themselves_after_a_signal(interrupt, monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    with raised():
        if interrupt:
            with pytest.raises(Interrupted):
                signal.raise_signal(signal.SIGINT)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()

    assert [failure.exc_type for failure in told] == ([] if interrupt else [ZeroDivisionError])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_that_another_thread_takes_is_held_back_until_the_block_has_ended(number):
    ended, asked = [], threading.Event()

    def take() -> None:
        asked.wait()
        signal.raise_signal(number)

    thread = threading.Thread(target=take)
    thread.start()  # before the block, which threads that it starts would be deaf with

    def start() -> None:
        with held_back():
            asked.set()
            thread.join()
            time.sleep(0.01)
            ended.append("in the block")
        ended.append("after it")

    with raised(), pytest.raises(Interrupted):
        start()

    assert ended == ["in the block"]


def test_processes_started_in_the_block_are_deaf_to_ctrl_c():
    ask = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    script = (
        "import multiprocessing, subprocess, sys\n"
        "from fwi.interrupts import held_back\n"
        "with held_back():\n"
        "    multiprocessing.get_context('spawn').Lock()  # starts another process, which unblocks signals\n"
        "    subprocess.run([sys.executable, '-c', sys.argv[1]])\n"
        "subprocess.run([sys.executable, '-c', sys.argv[1]])\n"
    )

    asked = subprocess.run([sys.executable, "-c", script, ask], capture_output=True, text=True, check=True)

    assert asked.stdout == "True\nFalse\n"


def test_processes_started_in_the_block_do_not_run_a_script_without_a_main_guard(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import multiprocessing, time\n"
        "from fwi.interrupts import held_back\n"
        "print('the script begins', flush=True)\n"
        "process = multiprocessing.get_context('spawn').Process(target=time.sleep, args=(0,))\n"
        "with held_back():\n"
        "    process.start()\n"
        "process.join()\n"
        "print(process.exitcode, __file__ is not None)\n"
    )

    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)

    assert run.stdout == "the script begins\n0 True\n", run.stderr


def test_an_interruption_that_a_library_swallows_is_raised_again_at_the_next_step():
    with raised():
        check()
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            check()
    check()
