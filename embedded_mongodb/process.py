"""Start and stop the embedded server as a process of its own; standard library only.

The server's process runs SecantusDB, which is GPL-2.0. This file imports nothing of it: it
starts that process and hands out its address, and all else goes over the wire.
"""

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
from typing import IO, Self

PROJECT_ROOT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.01


class EmbeddedServerError(Exception):
    """The server did not start or did not stop; the message says what it said."""


class EmbeddedServer:
    """One embedded server process, usable as a context manager.

    Without `data_dir` it is a throw-away server: its temporary folder lives from the first
    `start()` to `stop()`, and survives a `kill()`, so that a crash and a restart can be tried.
    The port that was chosen at the first start is used again at every later one. What the
    process says goes to files without a name, so that nothing of them can be left behind.
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
        self._own_dir: Path | None = None
        self._said: IO[bytes] | None = None
        self._log: IO[bytes] | None = None
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
        folder = self._data_dir or self._own_dir
        if folder is None:
            raise EmbeddedServerError("The embedded server is not started.")
        return folder

    def start(self) -> Self:
        """Start the process and wait until it accepts connections.

        Raises EmbeddedServerError with the server's own words when it ends instead, or when it
        is not ready in `start_timeout_seconds`.
        """
        if self.is_running():
            raise EmbeddedServerError("The embedded server is already started.")
        if self._data_dir is None and self._own_dir is None:
            self._own_dir = Path(tempfile.mkdtemp(prefix="ottsonly-mongodb-"))
        self._close_files()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._log,
            env=self._environment(),
            # Ctrl-C in a terminal goes to the whole process group: the database must end last,
            # when its owner says so.
            start_new_session=True,
        )
        try:
            self._await_ready()
        except BaseException:
            self.kill()
            self._remove_own_dir()
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
        self._close_files()
        self._remove_own_dir()
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
        """What the server wrote to stderr since its last start; empty after `stop()`."""
        return content(self._log)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "embedded_mongodb", "--host", self.host]
        command += ["--port", str(self.port), "--data-dir", str(self.data_dir)]
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

    def _await_ready(self) -> None:
        process = self._process
        assert process is not None
        deadline = time.monotonic() + self._start_timeout_seconds
        while not (said := content(self._said)).endswith("\n"):
            code = process.poll()
            if code is not None:
                raise EmbeddedServerError(
                    self.log().strip() or f"The embedded server ended with code {code}."
                )
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    "The embedded server was not ready within "
                    f"{self._start_timeout_seconds:g} seconds."
                )
            time.sleep(POLL_SECONDS)
        self._uri = said.strip()
        self.port = int(self._uri.split("/")[2].rsplit(":", 1)[1])

    def _close_files(self) -> None:
        for file in (self._said, self._log):
            if file is not None:
                file.close()
        self._said = self._log = None

    def _remove_own_dir(self) -> None:
        if self._own_dir is not None:
            shutil.rmtree(self._own_dir, ignore_errors=True)
        self._own_dir = None


def content(file: IO[bytes] | None) -> str:
    """The whole text of a file that a child process writes.

    Read without moving the position, which the child shares.
    """
    if file is None:
        return ""
    descriptor = file.fileno()
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode("utf-8", errors="replace")
