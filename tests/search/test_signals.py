"""Signals that ask to end, in processes of their own."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import signal, sys, time
from search.signals import heeding, interrupting
if sys.argv[2] == "afresh":
    # Whoever runs these tests may have been started by nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
print("ready", flush=True)
try:
    with interrupting() as ending:
        if sys.argv[1] == "heeds":
            heard = []
            with heeding(heard.append):
                print("go", flush=True)
                while not heard:
                    time.sleep(0.01)
            sys.exit(100 + heard[0])
        print("go", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(ending.status)
"""


def run(how, number, *shell, patience=30):
    """The exit status of a process that gets this signal; -9 where it does not mind."""
    command = [*shell, sys.executable, "-c", SCRIPT, how, "as it is" if shell else "afresh"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "go\n"]
        process.send_signal(number)
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_every_signal_that_asks_to_end_is_heeded_as_ctrl_c_and_told_by_the_status(name):
    number = signal.Signals[name]
    assert run("waits", number) == 128 + number
    assert run("heeds", number) == 100 + number


def test_what_nohup_ignores_stays_ignored():
    assert run("waits", signal.SIGHUP, "nohup", patience=1) == -signal.SIGKILL
