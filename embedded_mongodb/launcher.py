"""Start SecantusDB's server class in this process, corrected, as a one-node replica set.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

import argparse
import contextlib
import errno
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

SUPPORTED_VERSION = "0.7.0b3"
REPLICA_SET = "secantus"
PARENT_POLL_SECONDS = 0.2
STOP_SECONDS = 10.0
THROWAWAY_MARKER = "ottsonly-throwaway"


class LauncherError(Exception):
    """The server cannot run; the message is the one sentence that the user sees."""


class Ending:
    """Wakes the main thread once the server shall end.

    A pipe, and no event of `threading`: a signal that comes just before the main thread goes to
    sleep on a lock does not wake it any more (seen once in 75 ends on a busy machine), and a
    handler that sets the event may find its lock held by the thread that it interrupted.
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

    def now(self) -> None:
        """Let it be now; from any thread."""
        os.write(self._write_end, b"\0")

    def wait(self) -> None:
        """Return once it is time."""
        os.read(self._read_end, 1)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; `None` stands for `sys.argv`."""
    parser = argparse.ArgumentParser(
        prog="python -m embedded_mongodb",
        description="MongoDB-compatible server for development and tests (never for production).",
    )
    parser.add_argument("--data-dir", type=Path, help="folder of the data; kept between runs")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=27017, help="0 chooses a free one")
    parser.add_argument("--ready-file", type=Path, help="written with the URI once it accepts")
    parser.add_argument(
        "--with-parent",
        type=int,
        nargs="?",
        const=0,
        metavar="PID",
        help="end when the parent process ends (PID: the parent that is expected)",
    )
    parser.add_argument(
        "--throwaway",
        action="store_true",
        help="nothing is made to last: no fsync, no checkpoint, the data folder is removed at "
        "the end (a temporary one when --data-dir is absent)",
    )
    parser.add_argument(
        "--transaction-lifetime",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="an open transaction is aborted so long after its start",
    )
    parser.add_argument(
        "--ttl-sweep",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="pause between two sweeps that delete what a TTL index says is expired",
    )
    # For the tests of the corrections only: each shows that it would see its defect.
    parser.add_argument("--without", action="append", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.data_dir is None and not options.throwaway:
        parser.error("--data-dir is needed, or --throwaway")
    if options.transaction_lifetime <= 0:
        parser.error("--transaction-lifetime must be more than 0")
    return options


def check_version() -> None:
    """Refuse any SecantusDB but the one that the corrections were written and tested for.

    Raises LauncherError. The corrections replace its inner functions, so that another version
    could run them wrongly without any sign.
    """
    try:
        installed = metadata.version("SecantusDB")
    except metadata.PackageNotFoundError:
        raise LauncherError(
            f"SecantusDB {SUPPORTED_VERSION} is not installed: install requirements/dev.txt, or "
            "set MONGODB_URI to a MongoDB replica set."
        ) from None
    if installed != SUPPORTED_VERSION:
        raise LauncherError(
            f"SecantusDB {installed} is installed, but the corrections of embedded_mongodb are "
            f"for {SUPPORTED_VERSION} only: install requirements/dev.txt again."
        )


@contextlib.contextmanager
def data_folder(options: argparse.Namespace) -> Iterator[Path]:
    """Give the folder of the data; remove it at the end when it is a throw-away one.

    A throw-away folder is marked, and a folder that holds anything else is refused, so that a
    slip in `--throwaway --data-dir` never deletes somebody's files.
    """
    folder: Path | None = options.data_dir
    try:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="ottsonly-mongodb-"))
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / THROWAWAY_MARKER
        if options.throwaway:
            if not marker.exists() and any(folder.iterdir()):
                raise LauncherError(
                    f"The folder {folder} is not empty and was not made by --throwaway, which "
                    "would remove it: name another."
                )
            marker.touch()
    except OSError as error:
        raise LauncherError(
            f"The data folder {options.data_dir} cannot be used: {error.strerror}."
        ) from error
    removable = options.throwaway
    try:
        refuse_folder_in_use(folder)
        yield folder
    except LauncherError:
        # It may be another server's folder: leave it as it is.
        removable = options.data_dir is None
        raise
    finally:
        if removable:
            shutil.rmtree(folder, ignore_errors=True)


def refuse_folder_in_use(folder: Path) -> None:
    """Raise LauncherError when another process holds WiredTiger's lock on the folder.

    WiredTiger would refuse it too, but with lines of its own on stderr. Must run before
    WiredTiger opens the folder here: closing the file gives up this process's locks on it.
    """
    try:
        import fcntl
    except ImportError:  # No POSIX locks on Windows: WiredTiger's own refusal must do.
        return
    with contextlib.suppress(FileNotFoundError), (folder / "WiredTiger.lock").open("r+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise folder_in_use(folder) from error
            raise


def folder_in_use(folder: Path) -> LauncherError:
    return LauncherError(f"The data folder {folder} is in use by another server: stop that first.")


def open_server(options: argparse.Namespace, folder: Path) -> Any:
    """Open the storage, bind the port, and return SecantusDB's running server."""
    from secantus.server import SecantusDBServer

    try:
        server = SecantusDBServer(
            host=options.host,
            port=options.port,
            storage_path=str(folder),
            replica_set_name=REPLICA_SET,
            enable_test_commands=False,
            # A pool keeps idle connections open: the server must not be the one that drops them.
            client_idle_timeout_s=24 * 3600.0,
            ttl_sweep_seconds=options.ttl_sweep,
            durable=not options.throwaway,
            transaction_lifetime_seconds=options.transaction_lifetime,
        )
    except Exception as error:
        if "busy" in str(error):
            raise folder_in_use(folder) from error
        raise LauncherError(f"The data folder {folder} cannot be opened: {error}.") from error
    try:
        server.start()
    except OSError as error:
        server.stop()
        raise LauncherError(
            f"Cannot listen on {options.host} port {options.port}: {error.strerror}."
        ) from error
    return server


def connection_uri(server: Any) -> str:
    """The URI for pymongo.

    `directConnection`, because the one node is all there is: the driver need not find the
    replica set's members by the names that they have for themselves. `retryWrites=false`,
    because the server keeps retryable-write records in memory only: after a crash a repeated
    write would be applied twice.
    """
    host, port = server.address
    return f"mongodb://{host}:{port}/?directConnection=true&retryWrites=false"


def write_atomically(path: Path, text: str) -> None:
    """Write the file so that a reader sees all of it or none."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def end_with_parent(parent: int, ending: Ending) -> None:
    """End once the process that started this one is gone.

    Looking at getppid() rather than Linux's PR_SET_PDEATHSIG: that signal comes when the
    *thread* that started this process ends, and a test runner or a supervisor may well start
    it from a thread.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_POLL_SECONDS)
        ending.now()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def serve(options: argparse.Namespace, ending: Ending) -> None:
    """Run the server until its end."""
    check_version()
    with data_folder(options) as folder:
        from embedded_mongodb import corrections

        try:
            corrections.apply(without=options.without, throwaway=options.throwaway)
        except ValueError as error:
            raise LauncherError(str(error)) from error
        server = open_server(options, folder)
        try:
            uri = connection_uri(server)
            if options.ready_file is not None:
                write_atomically(options.ready_file, uri + "\n")
            print(uri, flush=True)
            ending.wait()
        finally:
            stop_server(server, folder if options.throwaway else None)


def stop_server(server: Any, removed_folder: Path | None) -> None:
    """Stop the server; after STOP_SECONDS end the process whatever it does.

    That is as sound as a kill -9, which the storage survives; a server that outlives its owner
    would hold the folder and the port.
    """

    def give_up() -> None:
        print("The server did not stop in time: the process is ended.", file=sys.stderr)
        if removed_folder is not None:
            shutil.rmtree(removed_folder, ignore_errors=True)
        os._exit(1)

    last_resort = threading.Timer(STOP_SECONDS, give_up)
    last_resort.daemon = True
    last_resort.start()
    # On Linux the server's closing of the port would not wake the thread that accepts, for
    # which it then waits two seconds; a shutdown does.
    with contextlib.suppress(OSError):
        server._stop_event.set()
        server._socket.shutdown(socket.SHUT_RDWR)
    server.stop()
    last_resort.cancel()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the launcher; returns the exit code (0 stopped, 1 refused with one sentence)."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    ending = Ending()
    ending.take_signals(signal.SIGTERM, signal.SIGINT)
    if options.with_parent is not None:
        end_with_parent(options.with_parent or os.getppid(), ending)
    try:
        serve(options, ending)
    except LauncherError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
