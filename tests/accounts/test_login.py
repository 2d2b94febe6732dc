"""Log-in by phone and one-time code, through the real pages."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from accounts import codes, services
from accounts.errors import CodeExpired, InvalidPhone, WrongCode
from accounts.models import LoginSession, OneTimeCode, User
from accounts.phones import display_phone, mask_phone, parse_phone
from tests.accounts.conftest import (
    PHONE,
    ask_code,
    give_code,
    log_in,
    other_than,
    run_together,
)

pytestmark = pytest.mark.django_db


def cool_down() -> None:
    """Let the cooldown pass by moving the last sending back."""
    OneTimeCode.objects.update(sent_at=timezone.now() - timedelta(seconds=31))


@pytest.mark.parametrize(
    "text",
    [
        "9876543210",
        "98765 43210",
        "09876543210",
        "+91 98765-43210",
        "0091 98765 43210",
        "(+91) 9876543210",
        "919876543210",
    ],
)
def test_usual_notations_are_one_phone(text: str, sent: list) -> None:
    response = ask_code(Client(), text)
    assert (response.status_code, response.url) == (302, "/login/code/")
    assert [phone for phone, _ in sent] == [PHONE]


def test_foreign_number_keeps_its_country() -> None:
    assert parse_phone("+44 7400 123456") == "+447400123456"
    assert display_phone(PHONE) == "+91 98765 43210"
    assert mask_phone(PHONE) == "+91 98••• ••210"


@pytest.mark.parametrize("text", ["", "12345", "hello", "+91 00000 00000", "9" * 60])
def test_no_number_is_refused(text: str, sent: list) -> None:
    response = ask_code(Client(), text)
    assert response.status_code == 200
    assert response.context["form"].errors["phone"]
    assert sent == []
    with pytest.raises(InvalidPhone):
        parse_phone(text)


def test_first_code_makes_the_account_and_second_finds_it(sent: list) -> None:
    client = Client()
    ask_code(client)
    assert User.objects.count() == 0
    response = give_code(client, sent[-1][1])
    assert (response.status_code, response.url) == (302, "/plans/")
    user = User.objects.get()
    assert (user.phone, user.role, user.is_active) == (PHONE, "user", True)
    cool_down()
    log_in(Client())
    assert User.objects.count() == 1


def test_five_wrong_codes_lock_even_the_right_one(sent: list) -> None:
    client = Client()
    ask_code(client)
    right = sent[-1][1]
    said = [
        give_code(client, other_than(right)).context["form"].errors["code"][0] for _ in range(5)
    ]
    assert said == [
        "That code is not right. You have 4 tries left.",
        "That code is not right. You have 3 tries left.",
        "That code is not right. You have 2 tries left.",
        "That code is not right. You have 1 try left.",
        "Too many wrong codes. Ask for a new code.",
    ]
    assert give_code(client, right).context["form"].errors["code"] == [codes.LOCKED]
    assert User.objects.count() == 0
    cool_down()
    client.post("/login/resend/")
    assert give_code(client, sent[-1][1]).status_code == 302


def test_cooldown_and_a_new_code_kills_the_old(sent: list) -> None:
    client = Client()
    ask_code(client)
    client.post("/login/resend/")
    assert len(sent) == 1
    assert 0 < services.resend_wait_seconds(PHONE) <= 30
    cool_down()
    client.post("/login/resend/")
    assert len(sent) == 2
    old, new = sent[0][1], sent[1][1]
    if old != new:
        with pytest.raises(WrongCode):
            services.verify_code(phone=PHONE, code=old, ip="10.0.0.1")
    assert services.verify_code(phone=PHONE, code=new, ip="10.0.0.1").phone == PHONE


def test_expired_code_is_refused(sent: list) -> None:
    client = Client()
    ask_code(client)
    OneTimeCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert give_code(client, sent[-1][1]).context["form"].errors["code"] == [codes.EXPIRED]


def test_cap_per_phone(sent: list, settings: Any) -> None:
    settings.OTP_PER_PHONE_PER_HOUR = 2
    settings.OTP_RESEND_SECONDS = 0
    statuses = [ask_code(Client()).status_code for _ in range(3)]
    assert (statuses, len(sent)) == ([302, 302, 429], 2)


def test_cap_per_address(sent: list, settings: Any) -> None:
    settings.OTP_PER_IP_PER_HOUR = 2
    statuses = [ask_code(Client(), f"98765 4321{n}").status_code for n in range(3)]
    assert (statuses, len(sent)) == ([302, 302, 429], 2)


def test_of_two_requests_with_the_right_code_one_gets_in(sent: list) -> None:
    services.send_code(phone=PHONE, ip="10.0.0.1")
    code = sent[-1][1]

    def work() -> User:
        return services.verify_code(phone=PHONE, code=code, ip="10.0.0.1")

    results = run_together(work, work)
    assert sorted(type(result).__name__ for result in results) == ["CodeExpired", "User"]
    assert User.objects.count() == 1


def test_tries_at_once_get_five_guesses_and_no_more(sent: list) -> None:
    services.send_code(phone=PHONE, ip="10.0.0.1")
    wrong = other_than(sent[-1][1])

    def work() -> User:
        return services.verify_code(phone=PHONE, code=wrong, ip="10.0.0.1")

    run_together(*[work] * 8)
    assert OneTimeCode.objects.get().attempts == 5


def test_session_key_rotates_and_session_knows_its_owner(sent: list) -> None:
    client = Client(headers={"user-agent": "Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Safari/1"})
    ask_code(client)
    before = client.session.session_key
    # Anybody gets such a session as often as they ask: it does not stay for the days of a log-in.
    asked = LoginSession.objects.get()
    assert asked.expire_date < timezone.now() + timedelta(hours=1)
    give_code(client, sent[-1][1])
    assert client.session.session_key != before
    row = LoginSession.objects.get()
    assert row.expire_date > timezone.now() + timedelta(days=29)
    assert (row.user_id, row.device, row.ip) == (
        User.objects.get().pk,
        "Chrome on Android",
        "127.0.0.1",
    )
    assert b"Chrome on Android" in client.get("/profile/").content


def test_log_out_everywhere_ends_the_other_browser_too(sent: list) -> None:
    first, second = Client(), Client()
    log_in(first)
    cool_down()
    log_in(second)
    assert second.get("/profile/").status_code == 200
    assert first.post("/logout/everywhere/").url == "/login/"
    assert second.get("/profile/").url == "/login/?next=/profile/"
    assert first.get("/profile/").url == "/login/?next=/profile/"


def test_epoch_alone_ends_a_session(sent: list) -> None:
    client = Client()
    log_in(client)
    User.objects.update(session_epoch=1)
    assert client.get("/profile/").status_code == 302


def test_disabled_user_is_out_at_once_and_cannot_come_back(sent: list) -> None:
    client = Client()
    log_in(client)
    services.set_active(user=User.objects.get(), is_active=False, actor=None)
    assert client.get("/profile/").status_code == 302
    cool_down()
    response = log_in(Client())
    assert response.context["form"].errors["code"] == [services.DISABLED]


def test_next_leads_back_but_not_to_strangers(sent: list) -> None:
    client = Client()
    ask_code(client, next="/wallet/?x=1")
    assert give_code(client, sent[-1][1]).url == "/wallet/?x=1"
    strange = ("https://evil.example/", "//evil.example", "javascript:alert(1)", "x")
    for target in (*strange, f"/{'a' * 300}"):
        cool_down()
        client = Client()
        ask_code(client, next=target)
        assert give_code(client, sent[-1][1]).url == "/plans/"
        assert client.get("/login/", {"next": target}).url == "/plans/"


def test_log_out_needs_a_post(sent: list) -> None:
    client = Client()
    log_in(client)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").url == "/"
    assert client.get("/profile/").status_code == 302


def test_profile_keeps_name_and_email_and_nothing_else(sent: list) -> None:
    client = Client()
    log_in(client)
    data = {"name": "Asha", "email": "asha@example.com", "role": "admin", "phone": "+911"}
    assert client.post("/profile/", data).url == "/profile/"
    user = User.objects.get()
    assert (user.name, user.email, user.role, user.phone) == (
        "Asha",
        "asha@example.com",
        "user",
        PHONE,
    )


def test_demo_code_works_with_debug_only(sent: list, settings: Any) -> None:
    settings.DEMO_LOGIN_CODE = "000000"
    assert [error.id for error in run_checks() if error.id == "accounts.E001"] == ["accounts.E001"]
    client = Client()
    ask_code(client)
    if sent[-1][1] != "000000":
        assert give_code(client, "000000").status_code == 200
    page = client.get("/login/code/")
    assert page.context["demo_code"] is None
    cool_down()
    settings.DEBUG = True
    ask_code(client)
    assert client.get("/login/code/").context["demo_code"] == "000000"
    assert give_code(client, "000000").status_code == 302


def test_code_is_neither_stored_nor_logged_nor_shown(
    sent: list, caplog: pytest.LogCaptureFixture, raw_client: Any, settings: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client()
    ask_code(client)
    code = sent[-1][1]
    page = client.get("/login/code/").content.decode()
    database = raw_client[settings.DATABASES["default"]["NAME"]]
    own = [record for record in caplog.records if not record.name.startswith("pymongo")]
    assert code not in page
    assert not any(code in record.getMessage() for record in own)
    assert database["one_time_codes"].count_documents({"code_hash": code}) == 0


def test_only_admins_change_roles(sent: list) -> None:
    customer = User.objects.create(phone=PHONE)
    support = User.objects.create(phone="+919876500001", role="support")
    with pytest.raises(PermissionDenied):
        services.change_role(user=customer, role="admin", actor=support)
    customer.refresh_from_db()
    assert customer.role == "user"


def test_code_of_another_phone_does_not_fit(sent: list) -> None:
    services.send_code(phone=PHONE, ip="10.0.0.1")
    with pytest.raises(CodeExpired):
        services.verify_code(phone="+919876500001", code=sent[-1][1], ip="10.0.0.1")
