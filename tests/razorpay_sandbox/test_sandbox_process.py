"""Start and end of the process."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import razorpay

from razorpay_sandbox.process import SandboxError, SandboxServer

ROOT = Path(__file__).resolve().parents[2]
KEYS = ["--key-id", "k", "--key-secret", "s", "--webhook-secret", "w"]


def run(*arguments: str, debug: str | None = "true") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "DEBUG"}
    if debug is not None:
        env["DEBUG"] = debug
    return subprocess.run(
        [sys.executable, "-m", "razorpay_sandbox", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


@pytest.mark.parametrize("debug", [None, "false"])
def test_refuses_to_start_without_debug(debug: str | None) -> None:
    ended = run("--port", "0", *KEYS, debug=debug)
    assert ended.returncode == 1
    assert ended.stderr == (
        "The Razorpay sandbox runs only with DEBUG=true, never in production.\n"
    )


def test_names_the_missing_secrets() -> None:
    ended = run("--key-id", "k")
    assert ended.returncode == 1
    assert ended.stderr == (
        "The Razorpay sandbox needs --key-secret, --webhook-secret "
        "(or RAZORPAY_... in the environment).\n"
    )


def test_taken_port_is_one_sentence(sandbox: SandboxServer) -> None:
    port = urlsplit(sandbox.base_url).port
    ended = run("--port", str(port), *KEYS)
    assert (ended.returncode, ended.stderr) == (
        1,
        f"The port {port} on 127.0.0.1 is already in use.\n",
    )


def test_restart_keeps_what_the_state_file_holds(tmp_path: Path) -> None:
    state_file = tmp_path / "state.json"
    data = {"amount": 500, "currency": "INR", "receipt": "r", "unique_receipt": True}
    states = []
    for _ in range(2):
        with SandboxServer(state_file=state_file) as server:
            client = razorpay.Client(
                auth=(server.key_id, server.key_secret), base_url=server.base_url
            )
            order = client.order.create(data)
            if order["status"] == "created":
                payment_id = server.pay(order["id"])["payment_id"]
            client.payment.refund(
                payment_id, {"amount": 100}, headers={"X-Refund-Idempotency": "key-of-ten-1"}
            )
            states.append(server.control("state"))
    assert states[0] == states[1]
    assert [len(states[1][kind]) for kind in ("orders", "payments", "refunds")] == [1, 1, 1]
    assert states[1]["orders"][0]["status"] == "paid"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_broken_state_file_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "state.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(SandboxError) as refused, SandboxServer(state_file=broken):
        pass
    assert str(refused.value).startswith(f"The state file {broken} cannot be read: ")
    assert "Traceback" not in str(refused.value)


def test_ends_cleanly_on_a_signal_even_while_a_call_hangs() -> None:
    server = SandboxServer()
    server.start()
    process = server._process
    assert process is not None
    server.fault("hang", count=1, seconds=600)
    with pytest.raises(OSError):
        connection = http.client.HTTPConnection(
            "127.0.0.1", urlsplit(server.base_url).port, timeout=0.1
        )
        connection.request("GET", "/v1/orders")
        connection.getresponse()
    server.stop()
    assert process.returncode == 0
    assert server.pid is None


def test_ends_with_its_parent() -> None:
    script = (
        "import os; from razorpay_sandbox.process import SandboxServer\n"
        "server = SandboxServer(); server.start()\n"
        "print(server.pid, flush=True); os._exit(0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    pid = int(ended.stdout)
    deadline = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    """Say whether it runs; one that ended and that nobody waited for counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ready_file_names_the_address(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "razorpay_sandbox", "--ready-file", str(ready), *KEYS],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        told = json.loads(ready.read_text(encoding="utf-8"))
        assert line == f"Razorpay sandbox: {told['base_url']}"
        assert told["pid"] == process.pid
    finally:
        process.terminate()
        assert process.wait(5) == 0
        process.stdout.close()
