"""The command: python -m razorpay_sandbox --port 8100 ..."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from razorpay_sandbox.entities import Store
from razorpay_sandbox.sandbox import Sandbox
from razorpay_sandbox.server import HOST, SandboxHTTPServer
from razorpay_sandbox.storage import StateFileError
from razorpay_sandbox.webhooks import Webhooks

_TRUE = frozenset({"1", "true", "yes", "on"})
_PARENT_WATCH_SECONDS = 0.5


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m razorpay_sandbox", description="A local stand-in for Razorpay."
    )
    env = os.environ.get
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--key-id", default=env("RAZORPAY_KEY_ID", ""))
    parser.add_argument("--key-secret", default=env("RAZORPAY_KEY_SECRET", ""))
    parser.add_argument("--webhook-secret", default=env("RAZORPAY_WEBHOOK_SECRET", ""))
    parser.add_argument("--webhook-url", default="")
    parser.add_argument("--ready-file", type=Path, help="is written once it listens")
    parser.add_argument("--state-file", type=Path, help="keeps the orders over a restart")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent ends")
    return parser.parse_args(argv)


class _Ending:
    """Wakes the main thread once the sandbox shall end.

    A pipe, and no event of `threading`: a signal that comes just before the main thread goes to
    sleep on a lock does not wake it any more, and a handler that sets the event may find its lock
    held by the thread that it interrupted. The embedded database has the same in its launcher:
    neither of the two tools imports the other, nor the shop.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def take_signals(self, *numbers: signal.Signals) -> None:
        """Let each of these signals be the end."""
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in numbers:
            # Without a handler the signal would end the process at once.
            signal.signal(number, lambda *_: None)

    def with_parent(self) -> None:
        """End when the process that started this one is gone, by whatever thread it did so."""
        parent = os.getppid()

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(_PARENT_WATCH_SECONDS)
            os.write(self._write_end, b"\0")

        threading.Thread(target=watch, daemon=True).start()

    def wait(self) -> None:
        """Return once it is time."""
        os.read(self._read_end, 1)


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal comes; return the exit code."""
    if os.environ.get("DEBUG", "").strip().lower() not in _TRUE:
        print(
            "The Razorpay sandbox runs only with DEBUG=true, never in production.", file=sys.stderr
        )
        return 1
    options = _arguments(argv)
    missing = [n for n in ("key_id", "key_secret", "webhook_secret") if not getattr(options, n)]
    if missing:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        print(
            f"The Razorpay sandbox needs {names} (or RAZORPAY_... in the environment).",
            file=sys.stderr,
        )
        return 1
    stop = threading.Event()
    ending = _Ending()
    ending.take_signals(signal.SIGTERM, signal.SIGINT)
    if options.with_parent:
        ending.with_parent()
    try:
        sandbox = Sandbox(
            key_id=options.key_id,
            key_secret=options.key_secret,
            store=Store(options.state_file),
            webhooks=Webhooks(secret=options.webhook_secret, url=options.webhook_url),
            stopping=stop,
        )
        server = SandboxHTTPServer(sandbox, options.port)
    except StateFileError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, OverflowError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "is already in use" if taken else f"cannot be used: {error}"
        print(f"The port {options.port} on {HOST} {why}.", file=sys.stderr)
        return 1
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    serving.start()
    if options.ready_file is not None:
        _write_ready(options.ready_file, server.base_url)
    print(f"Razorpay sandbox: {server.base_url}", flush=True)
    ending.wait()
    # Answers that a fault holds back wait for this.
    stop.set()
    server.shutdown()
    serving.join()
    server.server_close()
    sandbox.webhooks.close()
    return 0


def _write_ready(path: Path, base_url: str) -> None:
    """Put the file in place whole: who waits for it reads it at once."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"base_url": base_url, "pid": os.getpid()}), encoding="utf-8")
    os.replace(draft, path)


if __name__ == "__main__":
    sys.exit(main())
