"""The HTTP server: reads a request, lets a fault happen if one waits, finds the route, answers."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import socket
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from razorpay_sandbox.api import Call, call_api
from razorpay_sandbox.checkout import checkout_page, checkout_script, pay_from_checkout
from razorpay_sandbox.control import control
from razorpay_sandbox.errors import ApiError
from razorpay_sandbox.faults import AFTER_WORK, ANSWERS, SILENT, Fault
from razorpay_sandbox.sandbox import Sandbox

HOST = "127.0.0.1"
BODY_LIMIT = 1_000_000
IDLE_SECONDS = 120
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost"})


class SandboxHTTPServer(ThreadingHTTPServer):
    """Serves one sandbox on the loopback address; port 0 takes any free port."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self.sandbox = sandbox
        super().__init__((HOST, port), _Handler)

    @property
    def base_url(self) -> str:
        """The address to give the SDK."""
        return f"http://{HOST}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless the client hung up, as tests and browsers do at will."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "RazorpaySandbox"
    sys_version = ""
    timeout = IDLE_SECONDS
    # Head and body leave in one packet: the two would otherwise wait for each other for 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: SandboxHTTPServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the addresses carry what a customer typed."""

    @property
    def _sandbox(self) -> Sandbox:
        return self.server.sandbox

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self._route = unquote(parts.path)
        self._query = dict(parse_qsl(parts.query))
        try:
            body = self._body()
            # A name that is made to point at this machine must not reach it (DNS rebinding).
            if (urlsplit(f"//{self.headers.get('Host', '')}").hostname) not in _LOCAL_NAMES:
                raise ApiError("The sandbox answers on this machine only.", status=403)
            fault = None
            if not self._route.startswith("/_control") and self._route != "/v1/checkout.js":
                fault = self._sandbox.faults.take(self._route)
            if fault is not None and fault.kind not in AFTER_WORK:
                self._misbehave(fault)
                return
            try:
                answer = self._answer(body)
            except ApiError as error:
                answer = (error.status, "application/json", json.dumps(error.as_json()), {})
            if fault is not None:
                self._misbehave(fault)
                return
        except ApiError as error:
            answer = (error.status, "application/json", json.dumps(error.as_json()), {})
        self._write(*answer)

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length", 0))
        except ValueError as error:
            self.close_connection = True
            raise ApiError("The Content-Length is not a number.") from error
        if not 0 <= length <= BODY_LIMIT:
            self.close_connection = True
            raise ApiError("The request is too large.", status=413)
        return self.rfile.read(length)

    def _answer(self, body: bytes) -> tuple[int, str, str, dict[str, str]]:
        sandbox, route = self._sandbox, self._route
        if self.command == "GET" and route == "/v1/checkout.js":
            return 200, "text/javascript", checkout_script(), {"Cache-Control": "no-cache"}
        if self.command == "GET" and route == "/checkout":
            status, html, headers = checkout_page(sandbox, self._query)
            return status, "text/html", html, headers
        if route == "/checkout/pay" and self.command == "POST":
            answer = pay_from_checkout(sandbox, self._json(body))
        elif route.startswith("/_control/"):
            answer = control(sandbox, self.command, route, self._json(body))
        elif route.startswith("/v1/"):
            self._authenticate()
            call = Call(
                query=self._query,
                data=self._json(body),
                idempotency_key=self.headers.get("X-Refund-Idempotency"),
            )
            answer = call_api(sandbox, self.command, route, call)
        else:
            raise ApiError("The requested URL was not found on the server.", status=404)
        return 200, "application/json", json.dumps(answer), {}

    def _json(self, body: bytes) -> dict[str, Any]:
        if self.command != "POST" or not body:
            return {}
        # Only this type makes browsers ask first, so no foreign web page can reach the routes
        # that need no key.
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ApiError("The Content-Type must be application/json.", status=415)
        try:
            data = json.loads(body)
        except ValueError as error:
            raise ApiError("The request body is not valid JSON.") from error
        if not isinstance(data, dict):
            raise ApiError("The request body must be a JSON object.")
        return data

    def _authenticate(self) -> None:
        kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
        given = b""
        if kind.lower() == "basic":
            with suppress(binascii.Error, ValueError):
                given = base64.b64decode(encoded, validate=True)
        wanted = f"{self._sandbox.key_id}:{self._sandbox.key_secret}".encode()
        if not hmac.compare_digest(given, wanted):
            raise ApiError("Authentication failed", status=401, reason="authentication_failed")

    def _misbehave(self, fault: Fault) -> None:
        if fault.kind in ANSWERS:
            status, kind, content = ANSWERS[fault.kind]
            self._write(status, kind, content.decode(), {})
            return
        if fault.kind in SILENT:
            self._sandbox.stopping.wait(fault.seconds)
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _write(self, status: int, kind: str, text: str, headers: dict[str, str]) -> None:
        content = text.encode()
        with suppress(ConnectionError, TimeoutError):
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            for name, value in {"Cache-Control": "no-store", **headers}.items():
                self.send_header(name, value)
            self.send_header("X-Content-Type-Options", "nosniff")
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
