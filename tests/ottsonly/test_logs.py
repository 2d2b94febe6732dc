"""What is logged and reported: enough to find the fault, no secret and no full phone."""

import json
import logging
import time

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport

from ottsonly import sentry
from ottsonly.logs import REQUEST_ID, JsonFormatter, PlainFormatter
from ottsonly.redaction import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call +919876543210 now", "call +9198***210 now"),
        ("call +91 98765 43210", "call +91 98***210"),
        ("phone=9876543210", "phone=98***210"),
        ("mongodb://shop:pa55@db.example/x", "mongodb://***@db.example/x"),
        ("https://api.telegram.org/bot123456:AAE-xyz_0123456789abcdef/", None),
        ("order 7K3M-9QXW took 1234567 ms", "order 7K3M-9QXW took 1234567 ms"),
        ("pay_29QQoUBi66xm2f 1764076800.123", "pay_29QQoUBi66xm2f 1764076800.123"),
        ("user 6b06ea11263fa20cd4eba4ea", "user 6b06ea11263fa20cd4eba4ea"),
    ],
)
def test_phones_and_log_ins_are_hidden_and_the_rest_is_kept(text, expected):
    if expected is None:
        assert "AAE-xyz" not in redact(text)
    else:
        assert redact(text) == expected


def test_a_long_address_of_a_stranger_is_read_once():
    text = f"Not Found: /{'7' * 100_000}"
    started = time.monotonic()
    assert redact(text) == text
    # Read anew from each digit on it took more than a minute.
    assert time.monotonic() - started < 20


def test_the_values_of_secret_settings_are_hidden(settings):
    settings.RAZORPAY_KEY_SECRET = "rzp-secret-value"
    assert redact(f"{settings.SECRET_KEY} {settings.CREDENTIAL_KEYS[0]} rzp-secret-value") == (
        "*** *** ***"
    )


def record(message: str, *args, error: bool = False) -> logging.LogRecord:
    info = None
    if error:
        try:
            raise ValueError("for +919876543210")
        except ValueError as problem:
            info = (ValueError, problem, problem.__traceback__)
    return logging.LogRecord("shop", logging.ERROR, __file__, 1, message, args, info)


def test_json_is_one_line_with_the_id_of_the_request():
    token = REQUEST_ID.set("abcdef0123456789")
    try:
        line = JsonFormatter().format(record("it\nbroke for %s", "+919876543210", error=True))
    finally:
        REQUEST_ID.reset(token)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["logger"]) == ("ERROR", "shop")
    assert found["message"] == "it\nbroke for +9198***210"
    assert found["request_id"] == "abcdef0123456789"
    assert "ValueError: for +9198***210" in found["error"]
    assert "9876543210" not in line


def test_plain_lines_hide_the_same():
    line = PlainFormatter().format(record("for %s", "+919876543210", error=True))
    assert line.count("+9198***210") == 3
    assert "9876543210" not in line


def test_each_answer_carries_its_id_and_a_forged_one_is_not_taken(client):
    first, second = (client.get("/health/live")["X-Request-ID"] for _unused in range(2))
    assert len(first) == 16
    assert first != second
    given = {"X-Request-ID": "from-our-proxy-1"}
    assert client.get("/health/live", headers=given)["X-Request-ID"] == "from-our-proxy-1"
    forged = {"X-Request-ID": 'x"} level=ERROR'}
    assert client.get("/health/live", headers=forged)["X-Request-ID"] != forged["X-Request-ID"]


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    def capture_envelope(self, envelope) -> None:
        self.bodies.append(envelope.serialize().decode())


def test_a_report_names_the_fault_and_no_person(settings, rf, monkeypatch):
    settings.SENTRY_DSN = "https://public@sentry.example/1"
    kept = Kept()
    real = sentry_sdk.init
    monkeypatch.setattr(sentry_sdk, "init", lambda **options: real(transport=kept, **options))
    try:
        sentry.start()
        password = "s3cret-Pa55"
        try:
            raise RuntimeError(f"+919876543210 at mongodb://shop:{password}@db.example/x")
        except RuntimeError as error:
            scope = sentry_sdk.get_current_scope()
            scope.set_user({"id": "1", "email": "asha@example.com"})
            sentry_sdk.capture_exception(error)
        sentry_sdk.flush()
    finally:
        real()
    (body,) = kept.bodies
    assert "RuntimeError" in body
    assert "test_a_report_names_the_fault" in body
    for secret in ("9876543210", "s3cret-Pa55", "asha@example.com"):
        assert secret not in body


def test_without_an_address_nothing_is_reported(settings, monkeypatch):
    settings.SENTRY_DSN = ""
    monkeypatch.setattr(sentry_sdk, "init", lambda **options: pytest.fail("it was started"))
    assert sentry.start() is None
