"""TCP proxies between app and database that break off at a chosen command.

They understand just enough of the wire protocol to cut it into messages (int32 length first). The
fault enters from outside, as a SIGKILL, a dropped connection or an answer that MongoDB gives:
nothing of the app is patched.
Source of the wire protocol: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
"""

import os
import signal
import socket
import struct
import threading
from contextlib import suppress

import bson

HEADER = struct.Struct("<iiii")
OP_MSG = 2013
# The commands that a write conflict can meet.
WRITES = frozenset({"insert", "update", "delete", "findAndModify"})
HANDSHAKES = (b"hello\x00", b"isMaster\x00", b"ismaster\x00", b"ping\x00", b"endSessions\x00")


class Proxy:
    """Forwards to the database and lets a subclass see each command before and after.

    Args:
        target: (host, port) of the database.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        # shutdown() wakes the thread that waits in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def fault(self, request: bytes) -> str:
        """Return "before" or "after" to break off there, or "" to forward the command.

        "conflict" answers in the database's place, as it does when two transactions meet.
        """
        raise NotImplementedError

    def strike(self) -> None:
        """Do what the fault does besides dropping the connection."""

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.target) as server, suppress(OSError, EOFError):
            while True:
                request = _without_stream(_message(client))
                fault = self.fault(request)
                if fault == "conflict":
                    client.sendall(_write_conflict(request))
                    continue
                if fault == "before":
                    return self.strike()
                server.sendall(request)
                reply = _message(server)
                if fault == "after":
                    return self.strike()
                client.sendall(reply)


class KillingProxy(Proxy):
    """Kills a process with SIGKILL at one of its commands."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.aim(pid=0, kill_at=0, after_reply=False)
        super().__init__(target)

    def aim(self, *, pid: int, kill_at: int, after_reply: bool) -> None:
        """Count from here on, and kill `pid` at the `kill_at`-th command (0: never).

        Args:
            after_reply: when the database has answered, just before the app hears of it;
                otherwise before the database sees the command.
        """
        self.pid, self.kill_at, self.after_reply, self.count = pid, kill_at, after_reply, 0
        self.names: list[str] = []

    def fault(self, request: bytes) -> str:
        if any(name in request[:64] for name in HANDSHAKES):
            return ""
        with self._lock:
            self.count += 1
            self.names.append(_command(request))
            if self.count != self.kill_at:
                return ""
        return "after" if self.after_reply else "before"

    def strike(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class CuttingProxy(Proxy):
    """Drops the connection at commits, as a network does.

    Args:
        cuts: how many commits are cut; the rest goes through.
        after_reply: when the database has answered, so that only the answer is lost.
    """

    def __init__(self, target: tuple[str, int], *, cuts: int, after_reply: bool) -> None:
        self.cuts, self.after_reply = cuts, after_reply
        self.commits = 0
        super().__init__(target)

    def fault(self, request: bytes) -> str:
        if b"commitTransaction\x00" not in request[:64]:
            return ""
        with self._lock:
            self.commits += 1
            if self.commits > self.cuts:
                return ""
        return "after" if self.after_reply else "before"


class ScriptedProxy(Proxy):
    """Does what it was told at the n-th command from the telling, each once.

    Kinds: "before" and "after" drop the connection there; "commit-before" and "commit-after" do it
    at the next commit from there on; "conflict" answers the next write of a transaction from there
    on with a write conflict.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.count = 0
        self.struck: list[str] = []
        self._planned: list[tuple[int, str]] = []
        super().__init__(target)

    def plan(self, *faults: tuple[int, str]) -> None:
        """Count from here on; forget what was planned and did not happen."""
        with self._lock:
            self.count, self._planned = 0, sorted(faults)

    def fault(self, request: bytes) -> str:
        if any(name in request[:64] for name in HANDSHAKES):
            return ""
        name = _command(request)
        with self._lock:
            self.count += 1
            for planned in self._planned:
                at, kind = planned
                if self.count >= at and _fits(kind, name, request):
                    self._planned.remove(planned)
                    self.struck.append(kind)
                    return kind.removeprefix("commit-")
        return ""


def _fits(kind: str, command: str, request: bytes) -> bool:
    if kind.startswith("commit-"):
        return command == "commitTransaction"
    # Outside a transaction the database itself tries again: no client ever sees the conflict.
    return kind != "conflict" or (command in WRITES and b"\x08autocommit\x00\x00" in request)


def _command(request: bytes) -> str:
    """Return the name of an OP_MSG's command: the first key of its first document."""
    if HEADER.unpack(request[: HEADER.size])[3] != OP_MSG:
        return ""
    start = HEADER.size + 4 + 1 + 4 + 1
    return request[start : request.index(b"\x00", start)].decode()


def _without_stream(request: bytes) -> bytes:
    """Clear "exhaustAllowed", so that each request of a monitor has one answer, too."""
    if HEADER.unpack(request[: HEADER.size])[3] != OP_MSG:
        return request
    (flags,) = struct.unpack_from("<I", request, HEADER.size)
    cleared = struct.pack("<I", flags & ~(1 << 16))
    return request[: HEADER.size] + cleared + request[HEADER.size + 4 :]


def _write_conflict(request: bytes) -> bytes:
    _length, request_id, _answers, _code = HEADER.unpack(request[: HEADER.size])
    document = bson.encode(
        {
            "ok": 0.0,
            "errmsg": "WriteConflict error: this operation conflicted with another operation.",
            "code": 112,
            "codeName": "WriteConflict",
            "errorLabels": ["TransientTransactionError"],
        }
    )
    body = struct.pack("<IB", 0, 0) + document
    return HEADER.pack(HEADER.size + len(body), 1, request_id, OP_MSG) + body


def _message(source: socket.socket) -> bytes:
    head = _exactly(source, HEADER.size)
    length = HEADER.unpack(head)[0]
    return head + _exactly(source, length - HEADER.size)


def _exactly(source: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        chunk = source.recv(size - len(parts))
        if not chunk:
            raise EOFError
        parts += chunk
    return parts
