"""The web server as in production (no DEBUG, compressed static files), on this machine.

The browser tests and the benchmarks look at this one: what a page weighs and costs in development
says little about the shop that customers see.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from dev.processes import PROJECT_ROOT, end_with

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05


class ProductionShop:
    """Gunicorn on a free port of this machine; a context manager.

    Args:
        environment: all variables of the process, with MONGODB_URI, MONGODB_NAME and the secrets.
            DEBUG and what follows from the address are set here.
        threads: how many requests are answered at a time.
    """

    def __init__(self, environment: dict[str, str], *, threads: int = 8) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        # A name, not a number: browsers give secure cookies to http://localhost only.
        self.url = f"http://localhost:{self.port}"
        self._folder = tempfile.TemporaryDirectory(prefix="ottsonly-shop-")
        self._environment = {
            **environment,
            "DEBUG": "false",
            "DJANGO_SETTINGS_MODULE": "ottsonly.settings",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "SITE_URL": self.url,
            "SECURE_SSL_REDIRECT": "false",
            "DEMO_LOGIN_CODE": "",
            "STATIC_ROOT": str(Path(self._folder.name, "static")),
        }
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of gunicorn's master; its one worker is its child."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """What the server said so far."""
        path = Path(self._folder.name, "log.txt")
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def __enter__(self) -> Self:
        collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
        subprocess.run(collect, cwd=PROJECT_ROOT, env=self._environment, check=True)
        number = self._listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "ottsonly.wsgi", "--bind", f"fd://{number}"]
        command += ["--workers", "1", "--worker-class", "gthread", "--threads", str(self._threads)]
        command += ["--graceful-timeout", "3", "--no-control-socket"]
        self._log = Path(self._folder.name, "log.txt").open("wb")
        self._process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[number],
            preexec_fn=end_with(os.getpid()),
        )
        try:
            self._await_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _await_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The shop did not start: {self.log()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/login/", timeout=30):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                raise RuntimeError(f"The shop answers {error.code}: {self.log()}") from None
            except OSError:
                time.sleep(POLL_SECONDS)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._log is not None:
            self._log.close()
        self._listener.close()
        self._folder.cleanup()
