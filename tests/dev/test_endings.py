"""The processes of `make run` end at a signal, whichever of their threads hears it.

The kernel chooses the thread, and a main thread asleep on a lock would not hear of it.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STRUCK_ELSEWHERE = """
import os, pathlib, signal, threading
from {module} import {name}
ending = {name}()
ending.take_signals(signal.SIGTERM)
main = pathlib.Path(f"/proc/self/task/{{os.getpid()}}/stat")
def strike():
    # Asleep at each of fifty looks, between which it could run: in its wait.
    asleep = 0
    while asleep < 50:
        asleep = asleep + 1 if ") S " in main.read_text() else 0
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
threading.Thread(target=strike).start()
ending.wait()
print("ended")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc for a thread that sleeps")
@pytest.mark.parametrize(
    ("module", "name"),
    [("embedded_mongodb.launcher", "Ending"), ("razorpay_sandbox.__main__", "_Ending")],
)
def test_a_signal_that_another_thread_hears_is_the_end(module: str, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRUCK_ELSEWHERE.format(module=module, name=name)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")
