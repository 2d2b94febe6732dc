"""Start the sandbox as a process of its own, for tests and for the demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

START_SECONDS = 15.0
STOP_SECONDS = 5.0
CONTROL_SECONDS = 10.0
_POLL_SECONDS = 0.02


class SandboxError(RuntimeError):
    """The sandbox did not start, or refused a control call; the text says why."""


class SandboxServer:
    """A running sandbox; a context manager, or `start()` and `stop()`.

    `webhook_url`: where events go, empty for nowhere yet (see `configure`). `port`: 0 takes any
    free one. `state_file`: keeps the entities over a restart. `base_url` is known once started.
    """

    def __init__(
        self,
        *,
        webhook_url: str = "",
        port: int = 0,
        key_id: str = "rzp_test_sandbox",
        key_secret: str = "sandbox-key-secret",
        webhook_secret: str = "sandbox-webhook-secret",
        state_file: Path | None = None,
    ) -> None:
        self.base_url = ""
        self.key_id = key_id
        self.key_secret = key_secret
        self.webhook_secret = webhook_secret
        self._webhook_url = webhook_url
        self._port = port
        self._state_file = state_file
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SandboxServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens; raises SandboxError with what it said if not."""
        with tempfile.TemporaryDirectory(prefix="razorpay-sandbox-") as folder:
            ready, said = Path(folder, "ready.json"), Path(folder, "output.txt")
            command = [sys.executable, "-m", "razorpay_sandbox", "--with-parent"]
            command += ["--port", str(self._port), "--ready-file", str(ready)]
            command += ["--webhook-url", self._webhook_url]
            if self._state_file is not None:
                command += ["--state-file", str(self._state_file.resolve())]
            with said.open("wb") as output:
                self._process = subprocess.Popen(
                    command,
                    cwd=Path(__file__).resolve().parent.parent,
                    # Secrets go by the environment: arguments are seen by every process.
                    env=os.environ
                    | {
                        "DEBUG": "true",
                        "RAZORPAY_KEY_ID": self.key_id,
                        "RAZORPAY_KEY_SECRET": self.key_secret,
                        "RAZORPAY_WEBHOOK_SECRET": self.webhook_secret,
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            deadline = time.monotonic() + START_SECONDS
            while not ready.exists():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise SandboxError(said.read_text(encoding="utf-8").strip() or "No start.")
                time.sleep(_POLL_SECONDS)
            self.base_url = json.loads(ready.read_text(encoding="utf-8"))["base_url"]

    def stop(self) -> None:
        """End the process; does nothing if it has ended."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def control(self, path: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a control route, such as "pay" or "/_control/pay"; GET without a payload.

        Returns the answer; raises SandboxError if it is a refusal.
        """
        route = path if path.startswith("/") else f"/_control/{path}"
        request = urllib.request.Request(
            self.base_url + route,
            data=None if payload is None else json.dumps(payload).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=CONTROL_SECONDS) as answer:
                result: dict[str, Any] = json.load(answer)
                return result
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(error.read().decode()) from error

    def pay(self, order_id: str, outcome: str = "success", **more: Any) -> dict[str, Any]:
        """Pay an order as its customer; `more`: amount (paise), method, webhook, duplicate."""
        return self.control("pay", {"order_id": order_id, "outcome": outcome, **more})

    def fault(self, kind: str, **more: Any) -> None:
        """Misbehave in the next calls; `more`: path_prefix, count, seconds."""
        self.control("faults", {"kind": kind, **more})

    def configure(self, **settings: Any) -> dict[str, Any]:
        """Change webhook_url, webhook_retry_seconds or allow_paid_again; return all of them."""
        return self.control("config", settings)

    def reset(self) -> None:
        """Forget all orders, payments, refunds, faults and events."""
        self.control("reset", {})

    def wait_for_webhooks(
        self,
        wanted: Callable[[dict[str, Any]], bool] = lambda listing: listing["pending"] == 0,
        *,
        seconds: float = 10.0,
    ) -> dict[str, Any]:
        """Return the listing of events once it is as wanted (by default: none is on its way).

        Raises SandboxError with the last listing when that takes longer than `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not wanted(listing := self.control("webhooks")):
            if time.monotonic() > deadline:
                raise SandboxError(f"The web hooks did not come to that: {listing}")
            time.sleep(_POLL_SECONDS)
        return listing
