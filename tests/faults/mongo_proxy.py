"""A TCP proxy between app and database that kills the app at a chosen command.

It understands just enough of the wire protocol to cut it into messages (int32 length first). The
fault enters as a SIGKILL from outside: nothing of the app is patched.
"""

import os
import signal
import socket
import struct
import threading
from contextlib import suppress

HEADER = struct.Struct("<iiii")
HANDSHAKES = (b"hello\x00", b"isMaster\x00", b"ismaster\x00", b"ping\x00", b"endSessions\x00")


class KillingProxy:
    """Forwards to the database and kills `pid` at the `kill_at`-th command.

    Args:
        target: (host, port) of the database.
        kill_at: number of the command, from 1; 0 kills never and only counts.
        after_reply: kill when the database has answered, just before the app hears of it;
            otherwise before the database sees the command.
    """

    def __init__(self, target: tuple[str, int], *, kill_at: int = 0, after_reply: bool = False):
        self.target, self.kill_at, self.after_reply = target, kill_at, after_reply
        self.pid = 0
        self.count = 0
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
                request = _message(client)
                number = self._number(request)
                if number and number == self.kill_at and not self.after_reply:
                    os.kill(self.pid, signal.SIGKILL)
                    return
                server.sendall(request)
                reply = _message(server)
                if number and number == self.kill_at:
                    os.kill(self.pid, signal.SIGKILL)
                    return
                client.sendall(reply)

    def _number(self, request: bytes) -> int:
        if any(name in request[:64] for name in HANDSHAKES):
            return 0
        with self._lock:
            self.count += 1
            return self.count


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
