"""Web processes behind a proxy that can kill them at a numbered command."""

import json
import os
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

from django.db import connection

from tests.faults.mongo_proxy import WRITES, KillingProxy


def database_address() -> tuple[str, int]:
    """Return host and port of the server of this test run."""
    address = urlsplit(os.environ["MONGODB_URI"])
    return str(address.hostname), int(address.port or 27017)


def uri_of(proxy_port: int) -> str:
    """Return the connection string of the database as it is seen through a proxy."""
    return f"mongodb://127.0.0.1:{proxy_port}/?directConnection=true&retryWrites=false"


class Victims:
    """Posts requests from processes of their own; a context manager.

    Args:
        environment: variables that the processes get besides those of this one.
    """

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self.proxy = KillingProxy(database_address())
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.post_once"],
            env={
                **os.environ,
                "MONGODB_URI": uri_of(self.proxy.port),
                "MONGODB_NAME": connection.settings_dict["NAME"],
                **(environment or {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Victims":
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        self.proxy.close()

    def post(
        self,
        address: str,
        data: dict[str, str] | str,
        *,
        user: Any = None,
        session: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        kill_at: int = 0,
        after_reply: bool = False,
    ) -> tuple[str, int]:
        """Post and return the answer's status ("" if killed) and how many commands were sent.

        Args:
            data: fields of a form, or a JSON body as it is.
            kill_at: number of the command, from 1; 0 kills never.
            after_reply: kill when the database has answered, before the process hears of it;
                otherwise before the database sees the command.
        """
        wanted = {
            "address": address,
            "user": str(user.pk) if user else "",
            "session": session or {},
            "data": data,
            "headers": headers or {},
        }
        return self._send(wanted, kill_at, after_reply)

    def run(self, job: str, *, kill_at: int = 0, after_reply: bool = False) -> tuple[str, int]:
        """Run a job by its dotted path and return "done" ("" if killed) and the commands sent."""
        return self._send({"job": job}, kill_at, after_reply)

    def kills(self) -> list[dict[str, Any]]:
        """Return how to kill at each command of the whole run before that may leave something.

        Killed before a command is killed after the answer to the one before, and after whatever
        was asked of others in between; so only the last one is killed after its answer, too. Of the
        reads before the first write one is enough.
        """
        names = self.proxy.names
        assert 3 < len(names) < 60
        first = next(at for at, name in enumerate(names, start=1) if name in WRITES)
        numbers = [1, *range(max(2, first), len(names) + 1)]
        kills = [{"kill_at": number} for number in numbers]
        return [*kills, {"kill_at": len(names), "after_reply": True}]

    def _send(self, wanted: dict[str, Any], kill_at: int, after_reply: bool) -> tuple[str, int]:
        self._tell(json.dumps(wanted))
        self.proxy.aim(pid=int(self._hear()), kill_at=kill_at, after_reply=after_reply)
        self._tell("go")
        said = self._hear()
        if said != "ended":
            assert self._hear() == "ended"
        return ("" if said == "ended" else said), self.proxy.count

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def _hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()
