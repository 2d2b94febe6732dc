"""The launcher: addresses, folders, refusals, how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from embedded_mongodb.process import PROJECT_ROOT, EmbeddedServer, EmbeddedServerError


def run_launcher(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a launcher that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "embedded_mongodb", *arguments],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_server_answers_as_a_replica_set(client: MongoClient[Any]) -> None:
    hello = client.admin.command("hello")

    assert hello["isWritablePrimary"] is True
    assert hello["setName"] == "secantus"


def test_uri_connects_directly_and_without_retryable_writes(server: EmbeddedServer) -> None:
    expected = f"mongodb://127.0.0.1:{server.port}/?directConnection=true&retryWrites=false"

    assert server.uri == expected
    assert server.port > 0


def test_ready_file_holds_the_uri(
    start_server: Callable[..., EmbeddedServer], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"

    server = start_server(extra_arguments=("--ready-file", str(ready)))

    assert ready.read_text(encoding="utf-8") == server.uri + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]


def test_data_is_kept_between_runs(
    tmp_path: Path, connect: Callable[..., MongoClient[Any]]
) -> None:
    folder = tmp_path / "data"
    with EmbeddedServer(folder) as first, connect(first) as client:
        client.shop.plans.insert_one({"_id": 1, "price_paise": 9900})
    with EmbeddedServer(folder) as second, connect(second) as client:
        assert list(client.shop.plans.find()) == [{"_id": 1, "price_paise": 9900}]


def test_folder_in_use_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with EmbeddedServer(folder):
        refused = run_launcher("--data-dir", str(folder), "--port", "0")

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        f"The data folder {folder} is in use by another server: stop that first.\n"
    )


def test_taken_port_is_refused_in_one_sentence(server: EmbeddedServer, tmp_path: Path) -> None:
    refused = run_launcher("--data-dir", str(tmp_path / "data"), "--port", str(server.port))

    assert refused.returncode == 1
    assert refused.stderr == (
        f"Cannot listen on 127.0.0.1 port {server.port}: Address already in use.\n"
    )


def test_unusable_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    refused = run_launcher("--data-dir", str(file), "--port", "0")

    assert refused.returncode == 1
    assert refused.stderr == f"The data folder {file} cannot be used: File exists.\n"


def test_process_reports_the_refusal_of_the_launcher(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    with pytest.raises(EmbeddedServerError, match=r"^Cannot listen on 127\.0\.0\.1 port \d+: "):
        EmbeddedServer(tmp_path / "data", port=server.port).start()


def test_another_version_is_refused(tmp_path: Path) -> None:
    code = (
        "from importlib import metadata\n"
        "metadata.version = lambda name: '0.7.0'\n"
        "from embedded_mongodb.launcher import main\n"
        f"raise SystemExit(main(['--data-dir', {str(tmp_path / 'data')!r}, '--port', '0']))\n"
    )
    refused = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert refused.returncode == 1
    assert refused.stderr == (
        "SecantusDB 0.7.0 is installed, but the corrections of embedded_mongodb are for "
        "0.7.0b3 only: install requirements/dev.txt again.\n"
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_cleanly_and_removes_a_throwaway_folder(
    number: signal.Signals, start_server: Callable[..., EmbeddedServer], tmp_path: Path
) -> None:
    server = start_server(data_dir=tmp_path / "data", throwaway=True)
    assert (tmp_path / "data").exists()
    process = server._process
    assert process is not None

    server.send_signal(number)

    assert process.wait(10) == 0
    assert not (tmp_path / "data").exists()


def test_throwaway_never_removes_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine", encoding="utf-8")

    refused = run_launcher("--throwaway", "--data-dir", str(tmp_path), "--port", "0")

    assert refused.returncode == 1
    assert "name another" in refused.stderr
    assert (tmp_path / "letters.txt").read_text(encoding="utf-8") == "mine"


def test_server_ends_with_a_killed_parent_and_leaves_nothing(
    tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    code = (
        "import sys\n"
        "from embedded_mongodb.process import EmbeddedServer\n"
        "server = EmbeddedServer().start()\n"
        "print(server.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    assert len(list(tmp_path.iterdir())) == 1

    parent.kill()
    parent.communicate()

    assert eventually(lambda: list(tmp_path.iterdir()) == [])
    assert eventually(lambda: has_ended(pid))


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or is a zombie that nobody has fetched yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


def test_unknown_correction_is_refused(tmp_path: Path) -> None:
    refused = run_launcher("--throwaway", "--port", "0", "--without", "nonsense")

    assert refused.returncode == 1
    assert refused.stderr == "There is no correction of the name nonsense.\n"
