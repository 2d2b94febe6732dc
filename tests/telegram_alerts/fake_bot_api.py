"""A stand-in for Telegram's Bot API that the real SDK talks to over HTTP.

It answers `sendMessage`, `getMe` and `getUpdates` as Telegram does and can be told to misbehave
for the next messages: `script` holds one of the names in ANSWERS, "drop" (taken, but the reply is
lost) or "cut" (not taken) per request; when it is empty, every answer is "ok". `refusals` holds the
answer that a chat always gets.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl

TOKEN = "123456:not-a-real-token"
CHAT_ID = "-1001"
OTHER_CHAT = "-1002"

Reply = tuple[int, str, str]


def _error(status: int, description: str, **more: Any) -> Reply:
    body = {"ok": False, "error_code": status, "description": description, **more}
    return status, "application/json", json.dumps(body)


def _result(result: Any) -> Reply:
    return 200, "application/json", json.dumps({"ok": True, "result": result})


ANSWERS: dict[str, Reply] = {
    "flood": _error(429, "Too Many Requests: retry after 7", parameters={"retry_after": 7}),
    "flood 0": _error(429, "Too Many Requests: retry after 0", parameters={"retry_after": 0}),
    "500": _error(500, "Internal Server Error"),
    "html": (502, "text/html", "<html><h1>502 Bad Gateway</h1></html>"),
    "bad message": _error(400, "Bad Request: can't parse entities"),
    "no chat": _error(400, "Bad Request: chat not found"),
    "bad token": _error(401, "Unauthorized"),
    "kicked": _error(403, "Forbidden: bot was kicked from the group chat"),
}


class FakeBotApi:
    """The server; `delivered` holds the texts that reached the chat."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.delivered: list[str] = []
        # The chat of each of those texts.
        self.chats: list[str] = []
        self.refusals: dict[str, str] = {}
        self.known_chats = {CHAT_ID}
        self.updates: list[dict[str, Any]] = []
        # How many messages were taken whose reply was lost.
        self.dropped = 0
        self.requests = 0
        self.before_answer: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/bot"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def answer(self, path: str, fields: dict[str, str]) -> Reply | None:
        """Return the reply to one request, or None to drop the connection."""
        with self._lock:
            self.requests += 1
            if not path.startswith(f"/bot{TOKEN}/"):
                return ANSWERS["bad token"]
            if path.endswith("/getMe"):
                return _result({"id": 1, "is_bot": True, "first_name": "Shop", "username": "shop"})
            if path.endswith("/getUpdates"):
                return _result(self.updates)
            if not path.endswith("/sendMessage"):
                return _error(404, "Not Found")
            chat_id = fields["chat_id"]
            name = self.refusals.get(chat_id) or (self.script.pop(0) if self.script else "ok")
            if chat_id not in self.known_chats:
                name = "no chat"
            if name in ANSWERS:
                return ANSWERS[name]
            if name == "cut":
                return None
            self.delivered.append(fields["text"])
            self.chats.append(chat_id)
            self.dropped += name == "drop"
            number = len(self.delivered)
        self.before_answer()
        if name == "drop":
            return None
        chat = {"id": int(chat_id), "type": "supergroup", "title": "Operators"}
        message = {"message_id": number, "date": 1_700_000_000, "chat": chat}
        return _result(message)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                reply = api.answer(self.path, dict(parse_qsl(body.decode())))
                if reply is None:
                    self.close_connection = True
                    return
                status, kind, text = reply
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Tests read `delivered` instead."""

        return Handler
