"""The launcher: each refusal in one sentence, and nothing left running after Ctrl-C."""

import contextlib
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from pymongo import MongoClient

from dev.keys import GENERATED, development_secrets

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
CLEARED = ("MONGODB_URI", "MONGODB_NAME", "MONGODB_URL", "DATABASE_NAME", "DEMO_LOGIN_CODE")
READY_SECONDS = 120.0


def free_port() -> int:
    """A port on which nothing listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**given: str) -> dict[str, str]:
    """This process's environment without the database of the test run."""
    kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
    return {**kept, **given}


def refused(data: Path, port: int, **given: str) -> str:
    """Run the launcher, which must refuse; return all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "dev.run", "--port", str(port), "--data", str(data)],
        cwd=PROJECT_ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert list(data.iterdir()) == []
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new"), [("MONGODB_URL", "MONGODB_URI"), ("DATABASE_NAME", "MONGODB_NAME")]
)
def test_old_variable_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    assert refused(tmp_path, free_port(), **{old: "anything"}) == (
        f"{old} is a variable of the old system and is not read here: "
        f"set {new} instead and remove {old}.\n"
    )


def test_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused(tmp_path, port) == (
            f"Port {port} on 127.0.0.1 is already in use: stop what uses it, "
            "or choose another with `make run PORT=8001`.\n"
        )


def test_unreachable_server_is_one_sentence_without_its_address(tmp_path: Path) -> None:
    uri = f"mongodb://someone:secret@127.0.0.1:{free_port()}/"
    assert refused(tmp_path, free_port(), MONGODB_URI=uri) == (
        "The MongoDB server that MONGODB_URI names does not answer: start it, correct "
        "MONGODB_URI, or unset it to use the embedded server.\n"
    )


def test_foreign_database_is_refused_and_untouched(tmp_path: Path, raw_client: MongoClient) -> None:
    name = f"foreign_{secrets.token_hex(4)}"
    document = {"_id": 1, "of": "somebody else"}
    raw_client[name]["things"].insert_one(document)
    try:
        said = refused(
            tmp_path, free_port(), MONGODB_URI=os.environ["MONGODB_URI"], MONGODB_NAME=name
        )
        assert said == (
            f'The database "{name}" is not empty and not of this shop: '
            "name another in MONGODB_NAME.\n"
        )
        assert raw_client[name].list_collection_names() == ["things"]
        assert list(raw_client[name]["things"].find()) == [document]
    finally:
        raw_client.drop_database(name)


def test_secrets_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "dev.env"
    first = development_secrets(file)
    assert tuple(first) == GENERATED
    assert development_secrets(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["dev.env"]


def processes_with(data: Path) -> list[int]:
    """Every process whose environment or command names the data folder."""
    mark = str(data).encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            said = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            if mark in said:
                found.append(int(folder.name))
    return found


def start_and_await_home_page(data: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the whole shop; return when its home page answers."""
    port = free_port()
    # The folder stands in the environment too, which every process of the shop inherits.
    command = [sys.executable, "-m", "dev.run", "--port", str(port), "--data", str(data)]
    with log.open("wb") as output:
        shop = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env=environment(SHOP_DATA_OF_TEST=str(data)),
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + READY_SECONDS
    try:
        while "OTTSONLY is open at" not in log.read_text():
            assert shop.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            assert page.status == 200
    except BaseException:
        shop.terminate()
        shop.wait(60)
        raise
    return shop


def await_nothing_left(data: Path) -> None:
    """Fail when a process of the shop is still there after its time to end."""
    deadline = time.monotonic() + 20
    while processes_with(data):
        assert time.monotonic() < deadline, processes_with(data)
        time.sleep(0.1)


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_shop_opens_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    shop = start_and_await_home_page(data, log)
    # The launcher, the database, the sandbox, the web server with its worker, the alert worker.
    assert len(processes_with(data)) == 6
    shop.send_signal(signal.SIGINT)
    assert shop.wait(60) == 0
    assert processes_with(data) == []
    # The same data opens a second time; a killed launcher takes all the others with it.
    shop = start_and_await_home_page(data, log)
    shop.kill()
    shop.wait(10)
    await_nothing_left(data)
