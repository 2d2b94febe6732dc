"""A gateway that speaks MSG91's HTTP and keeps the codes that it was given."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

WAIT_SECONDS = 30.0


class SmsGateway(ThreadingHTTPServer):
    """Takes every message; a context manager that serves in a thread."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._codes: dict[str, str] = {}
        self._arrived = threading.Condition()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a shop to this gateway."""
        return {
            "SMS_BACKEND": "accounts.sms.Msg91Sms",
            "MSG91_BASE_URL": f"http://127.0.0.1:{self.server_port}",
            "MSG91_AUTH_KEY": "key-1",
            "MSG91_TEMPLATE_ID": "flow-1",
        }

    def keep(self, phone: str, code: str) -> None:
        """Note a message that came in."""
        with self._arrived:
            self._codes[phone] = code
            self._arrived.notify_all()

    def take_code(self, phone: str) -> str:
        """Return the latest code sent to `phone` (E.164), once; waits until one has come."""
        deadline = time.monotonic() + WAIT_SECONDS
        with self._arrived:
            while phone not in self._codes:
                left = deadline - time.monotonic()
                assert left > 0, f"No code was sent to {phone}."
                self._arrived.wait(left)
            return self._codes.pop(phone)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: SmsGateway

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for recipient in body["recipients"]:
            self.server.keep(f"+{recipient['mobiles']}", recipient["code"])
        answer = b'{"type": "success", "message": "1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""
