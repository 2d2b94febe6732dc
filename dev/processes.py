"""Processes that live no longer than the launcher, their output prefixed by name."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dev.errors import CannotRun

PROJECT_ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_NAME_WIDTH = 8
_writing = threading.Lock()


def say(name: str, line: str) -> None:
    """Write one line of the named process to the terminal."""
    with _writing:
        try:
            print(f"{name:<{_NAME_WIDTH}}| {line}", flush=True)
        except OSError:
            # The terminal is gone; the reader goes on, or the child would block on a full pipe.
            return


def end_with(parent: int) -> Callable[[], None]:
    """Return what a child does before its program starts, to end when `parent` ends."""
    if sys.platform != "linux":
        return lambda: None
    # Loaded here: between fork and exec as little as possible should happen.
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return tie


class Child:
    """One started process."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C in a terminal reaches the launcher alone, which ends the rest in order.
            start_new_session=True,
            preexec_fn=end_with(os.getpid()),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            say(self.name, line.rstrip("\n"))

    def has_ended(self) -> bool:
        """Whether the process is no longer running."""
        return self.process.poll() is not None

    def finish(self) -> int:
        """Wait for the end of the process and of its output; return the exit code."""
        code = self.process.wait()
        self._reader.join(timeout=STOP_SECONDS)
        return code


class Children:
    """Every process that was started, ended together, the last one first."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a process and return at once."""
        child = Child(name, command, environment)
        self._children.append(child)
        return child

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process and wait for it; raises CannotRun when it fails."""
        child = self.start(name, command, environment)
        code = child.finish()
        self._children.remove(child)
        if code:
            raise CannotRun(f"The step `{' '.join(command[1:])}` failed with code {code}.")

    def first_ended(self) -> Child | None:
        """Return a process that is no longer running, if there is one."""
        return next((child for child in self._children if child.has_ended()), None)

    def stop(self) -> None:
        """End all of them: SIGTERM, and SIGKILL to the group of one that does not listen."""
        for child in reversed(self._children):
            if not child.has_ended():
                child.process.terminate()
        for child in reversed(self._children):
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.process.pid, signal.SIGKILL)
            child.finish()
