"""Does the shop window stay fast while Razorpay hangs? `python -m benchmarks.hanging_gateway`

One web process as `make run` starts it (8 threads) serves the home page and the list of plans.
Quiet windows of time alternate with windows in which 8 customers start a top-up and Razorpay's
stand-in never answers. Printed is the 95th percentile of both and their ratio; above 1.5 the exit
code is 1. `--max-calls 8` takes the guard away that keeps threads free, to see what it is for.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from benchmarks.database import throw_away_database
from razorpay_sandbox.process import SandboxServer

ALLOWED_RATIO = 1.5
THREADS = 8
TOPUPS = 8
VISITORS = 2
PAGES = ("/", "/plans/")
READ_TIMEOUT = 8.0
START_SECONDS = 60.0
CSRF = "c" * 32


def main() -> int:
    """Measure; return 1 when the shop window is slower than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each window of time")
    parser.add_argument("--max-calls", type=int, default=4, help="RAZORPAY_MAX_CALLS")
    options = parser.parse_args()
    with throw_away_database(), SandboxServer() as razorpay:
        from django.core.management import call_command

        call_command("load_demo_data", verbosity=0)
        sessions = _sessions()
        with _web(razorpay, options.max_calls) as site:
            quiet: list[float] = []
            hanging: list[float] = []
            _visit(site, 2.0)
            for number in range(options.rounds):
                quiet += _visit(site, options.seconds)
                topups = _hang(site, razorpay, sessions, number)
                hanging += _visit(site, options.seconds)
                for topup in topups:
                    topup.join()
                razorpay.fault("none")
    before, during = _p95(quiet), _p95(hanging)
    print(f"quiet            p95 {before * 1000:7.1f} ms  of {len(quiet)} pages")
    print(f"top-ups hanging  p95 {during * 1000:7.1f} ms  of {len(hanging)} pages")
    print(f"ratio            {during / before:.2f} (at most {ALLOWED_RATIO})")
    return int(during / before > ALLOWED_RATIO)


def _sessions() -> list[str]:
    """Log customers in; return the keys of their sessions."""
    from django.test import Client

    from accounts.models import User

    keys = []
    for number in range(TOPUPS):
        user, _made = User.objects.get_or_create(phone=f"+9198765010{number:02d}")
        client = Client()
        client.force_login(user)
        keys.append(str(client.session.session_key))
    return keys


@contextmanager
def _web(razorpay: SandboxServer, max_calls: int) -> Iterator[str]:
    """Start the web server as dev.run does; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "ottsonly.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", "1", "--worker-class", "gthread", "--threads", str(THREADS)]
    command += ["--no-control-socket", "--log-level", "error"]
    environment = {
        **os.environ,
        "RAZORPAY_KEY_ID": razorpay.key_id,
        "RAZORPAY_KEY_SECRET": razorpay.key_secret,
        "RAZORPAY_WEBHOOK_SECRET": razorpay.webhook_secret,
        "RAZORPAY_BASE_URL": razorpay.base_url,
        "RAZORPAY_READ_TIMEOUT": str(READ_TIMEOUT),
        "RAZORPAY_MAX_CALLS": str(max_calls),
        # Each window hangs anew: the circuit would spare the later ones.
        "RAZORPAY_CIRCUIT_FAILURES": "1000000",
        "LOG_LEVEL": "CRITICAL",
    }
    process = subprocess.Popen(command, env=environment)
    site = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(site):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the web server did not start")
            time.sleep(0.1)
        yield site
    finally:
        process.terminate()
        process.wait()


def _answers(site: str) -> bool:
    try:
        with urllib.request.urlopen(site, timeout=10):
            return True
    except OSError:
        return False


def _visit(site: str, seconds: float) -> list[float]:
    """Look at the shop window for a time, as several visitors; return how long each page took."""
    times: list[float] = []
    end = time.monotonic() + seconds

    def visitor(number: int) -> None:
        while time.monotonic() < end:
            number += 1
            started = time.monotonic()
            with urllib.request.urlopen(site + PAGES[number % len(PAGES)], timeout=60) as answer:
                answer.read()
            times.append(time.monotonic() - started)

    threads = [threading.Thread(target=visitor, args=(number,)) for number in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _hang(
    site: str, razorpay: SandboxServer, sessions: list[str], number: int
) -> list[threading.Thread]:
    """Start a top-up for each session while Razorpay is silent; return once they are under way."""
    razorpay.fault("timeout", count=1000, seconds=READ_TIMEOUT * 2)

    def topup(session: str) -> None:
        form = {"amount": "500", "key": f"bench-{number}", "csrfmiddlewaretoken": CSRF}
        request = urllib.request.Request(
            f"{site}/wallet/topup/",
            data=urlencode(form).encode(),
            headers={"Cookie": f"sessionid={session}; csrftoken={CSRF}", "Referer": site},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert "Razorpay does not answer" in answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"the top-up was answered with {error.code}") from error

    threads = [threading.Thread(target=topup, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    # Those that are refused at once are through; the others hang.
    time.sleep(1.0)
    return threads


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


if __name__ == "__main__":
    sys.exit(main())
