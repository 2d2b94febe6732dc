"""Start and stop the embedded server as a process of its own; standard library only.

The server's process runs SecantusDB, which is GPL-2.0. This file imports nothing of it: it
starts that process and hands out its address, and all else goes over the wire.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PROJECT_ROOT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.01


class EmbeddedServerError(Exception):
    """The server did not start or did not stop; the message says what it said."""


class EmbeddedServer:
    """One embedded server process, usable as a context manager.

    Without `data_dir` it is a throw-away server: its temporary folder lives from the first
    `start()` to `stop()`, and survives a `kill()`, so that a crash and a restart can be tried.
    The port that was chosen at the first start is used again at every later one.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        throwaway: bool | None = None,
        with_parent: bool = True,
        transaction_lifetime_seconds: float | None = None,
        start_timeout_seconds: float = 30.0,
        extra_arguments: Sequence[str] = (),
    ) -> None:
        self.host = host
        self.port = port
        self._data_dir = data_dir
        self._throwaway = data_dir is None if throwaway is None else throwaway
        self._with_parent = with_parent
        self._transaction_lifetime_seconds = transaction_lifetime_seconds
        self._start_timeout_seconds = start_timeout_seconds
        self._extra_arguments = tuple(extra_arguments)
        self._scratch: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._uri: str | None = None

    @property
    def uri(self) -> str:
        """The connection URI for pymongo; raises EmbeddedServerError when not started."""
        if self._uri is None:
            raise EmbeddedServerError("The embedded server is not started.")
        return self._uri

    @property
    def pid(self) -> int:
        """The process id; raises EmbeddedServerError when not started."""
        if self._process is None:
            raise EmbeddedServerError("The embedded server is not started.")
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def data_dir(self) -> Path:
        """The folder of the data; for a throw-away server known once it was started."""
        if self._data_dir is not None:
            return self._data_dir
        if self._scratch is None:
            raise EmbeddedServerError("The embedded server is not started.")
        return self._scratch / "data"

    def start(self) -> Self:
        """Start the process and wait until it accepts connections.

        Raises EmbeddedServerError with the server's own words when it ends instead, or when it
        is not ready in `start_timeout_seconds`.
        """
        if self.is_running():
            raise EmbeddedServerError("The embedded server is already started.")
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="ottsonly-mongodb-"))
        ready_file = self._scratch / "ready"
        ready_file.unlink(missing_ok=True)
        log_file = self._scratch / "server.log"
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(ready_file),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment(),
                # Ctrl-C in a terminal goes to the whole process group: the database must end
                # last, when its owner says so.
                start_new_session=True,
            )
        try:
            self._await_ready(ready_file, log_file)
        except BaseException:
            self.kill()
            self._remove_scratch()
            raise
        return self

    def stop(self, timeout_seconds: float = 15.0) -> None:
        """End the server cleanly (SIGTERM) and remove a throw-away folder.

        Raises EmbeddedServerError when it had to be killed after `timeout_seconds`.
        """
        process = self._process
        stuck = False
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                stuck = True
                self.kill()
        self._process = None
        self._uri = None
        self._remove_scratch()
        if stuck:
            raise EmbeddedServerError(
                f"The embedded server did not stop within {timeout_seconds:g} seconds."
            )

    def kill(self) -> None:
        """End the server at once, as a crash would (SIGKILL); the data stays for `start()`."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        self._process = None
        self._uri = None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    def log(self) -> str:
        """What the server wrote to stderr since its last start."""
        if self._scratch is None:
            return ""
        with contextlib.suppress(FileNotFoundError):
            return (self._scratch / "server.log").read_text(encoding="utf-8", errors="replace")
        return ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self, ready_file: Path) -> list[str]:
        command = [sys.executable, "-m", "embedded_mongodb", "--host", self.host]
        command += ["--port", str(self.port), "--data-dir", str(self.data_dir)]
        command += ["--ready-file", str(ready_file)]
        if self._throwaway:
            command.append("--throwaway")
        if self._with_parent:
            command += ["--with-parent", str(os.getpid())]
        if self._transaction_lifetime_seconds is not None:
            command += ["--transaction-lifetime", str(self._transaction_lifetime_seconds)]
        return [*command, *self._extra_arguments]

    def _environment(self) -> dict[str, str]:
        """This process's environment, with the project's folder to import from."""
        paths = [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}

    def _await_ready(self, ready_file: Path, log_file: Path) -> None:
        process = self._process
        assert process is not None
        deadline = time.monotonic() + self._start_timeout_seconds
        while not ready_file.exists():
            code = process.poll()
            if code is not None:
                said = log_file.read_text(encoding="utf-8", errors="replace").strip()
                raise EmbeddedServerError(said or f"The embedded server ended with code {code}.")
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    "The embedded server was not ready within "
                    f"{self._start_timeout_seconds:g} seconds."
                )
            time.sleep(POLL_SECONDS)
        self._uri = ready_file.read_text(encoding="utf-8").strip()
        self.port = int(self._uri.split("/")[2].rsplit(":", 1)[1])

    def _remove_scratch(self) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch = None
