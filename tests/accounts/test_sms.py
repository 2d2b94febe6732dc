"""The MSG91 gateway against a small server that speaks HTTP."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from accounts import services
from accounts.errors import SmsError
from accounts.models import OneTimeCode
from accounts.sms import Msg91Sms
from tests.accounts.conftest import PHONE


class Gateway(ThreadingHTTPServer):
    """Answers as it is told and keeps what it was asked."""

    answer: tuple[int, bytes] = (200, b'{"type": "success", "message": "5762846b"}')
    hang = threading.Event()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), GatewayHandler)
        self.asked: list[tuple[str, str, dict]] = []
        self.is_slow = False


class GatewayHandler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["authkey"], body))
        if self.server.is_slow:
            self.server.hang.wait(timeout=5)
        status, text = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    server = Gateway()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    settings.SMS_BACKEND = "accounts.sms.Msg91Sms"
    settings.MSG91_BASE_URL = f"http://127.0.0.1:{server.server_port}"
    settings.MSG91_AUTH_KEY = "key-1"
    settings.MSG91_TEMPLATE_ID = "flow-1"
    settings.MSG91_DLT_TEMPLATE_ID = "1107160000000000001"
    settings.MSG91_SENDER = "OTTSON"
    yield server
    server.hang.set()
    server.shutdown()
    server.server_close()
    server.hang.clear()


def test_msg91_gets_the_flow_with_the_dlt_template(gateway: Gateway) -> None:
    Msg91Sms().send_code(phone=PHONE, code="123456")
    assert gateway.asked == [
        (
            "/api/v5/flow",
            "key-1",
            {
                "template_id": "flow-1",
                "short_url": "0",
                "recipients": [{"mobiles": "919876543210", "code": "123456"}],
                "sender": "OTTSON",
                "DLT_TE_ID": "1107160000000000001",
            },
        )
    ]


@pytest.mark.parametrize(
    "answer",
    [
        (200, b'{"type": "error", "message": "flow 123456 unknown"}'),
        (401, b'{"type": "error"}'),
        (502, b"<html>bad gateway 123456</html>"),
        (200, b"not json"),
        (200, b"[]"),
    ],
)
def test_msg91_refusals_are_one_error_and_leak_nothing(
    gateway: Gateway, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.answer = answer
    with pytest.raises(SmsError) as caught:
        Msg91Sms().send_code(phone=PHONE, code="123456")
    assert "123456" not in str(caught.value)
    assert "123456" not in caplog.text
    assert "9876543210" not in caplog.text


def test_msg91_timeout(gateway: Gateway, settings: Any) -> None:
    settings.SMS_TIMEOUT_SECONDS = 0.2
    gateway.is_slow = True
    with pytest.raises(SmsError):
        Msg91Sms().send_code(phone=PHONE, code="123456")


def test_msg91_unreachable(settings: Any) -> None:
    settings.MSG91_BASE_URL = "http://127.0.0.1:1"
    settings.MSG91_AUTH_KEY = settings.MSG91_TEMPLATE_ID = "x"
    with pytest.raises(SmsError):
        Msg91Sms().send_code(phone=PHONE, code="123456")


def test_failed_sending_may_be_tried_again_at_once(db: None, gateway: Gateway) -> None:
    gateway.answer = (500, b"{}")
    with pytest.raises(SmsError):
        services.send_code(phone=PHONE, ip="10.0.0.1")
    assert services.resend_wait_seconds(PHONE) == 0
    assert OneTimeCode.objects.get().code_hash == ""
    gateway.answer = Gateway.answer
    services.send_code(phone=PHONE, ip="10.0.0.1")
    assert len(gateway.asked) == 2
