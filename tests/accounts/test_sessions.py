"""Where I am logged in: shown, ended one by one or all others at once."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import LoginSession, User
from ottsonly.models import AuditEvent
from tests.accounts.conftest import log_in
from tests.accounts.test_phone_change import cool_down
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db
PHONE_BROWSER = "Mozilla/5.0 (Linux; Android 14) Chrome/126.0 Safari/1"
DESK_BROWSER = "Mozilla/5.0 (Windows NT 10.0) Firefox/130.0"


@pytest.fixture
def browsers(sent: list) -> tuple[Client, Client]:
    """One person logged in at two devices."""
    phone = Client(headers={"user-agent": PHONE_BROWSER})
    log_in(phone)
    cool_down()
    desk = Client(headers={"user-agent": DESK_BROWSER}, REMOTE_ADDR="10.1.2.3")
    log_in(desk)
    return phone, desk


def end_urls(client: Client) -> list[str]:
    text = client.get("/profile/").content.decode()
    return re.findall(r"/profile/sessions/[0-9a-f]{32}/end/", text)


def test_devices_are_named_this_one_first_and_never_by_their_key(browsers) -> None:
    phone, _desk = browsers
    page = phone.get("/profile/")
    shown = [
        (login["session"].device, login["session"].ip, login["is_current"])
        for login in page.context["logins"]
    ]
    assert shown == [
        ("Chrome on Android", "127.0.0.1", True),
        ("Firefox on Windows", "10.1.2.3", False),
    ]
    text = page.content.decode()
    for session in LoginSession.objects.all():
        assert session.session_key not in text
    assert text.count("this one") == 1


def test_ending_one_ends_that_one_and_twice_is_the_same(browsers) -> None:
    phone, desk = browsers
    _mine, other = end_urls(phone)
    for said in (b"That device is logged out.", b"That device was logged out already."):
        assert phone.post(other).url == "/profile/"
        assert said in phone.get("/profile/").content
    assert desk.get("/profile/").status_code == 302
    assert AuditEvent.objects.filter(action="user.end_session").count() == 1


def test_ending_this_one_is_logging_out(browsers) -> None:
    phone, desk = browsers
    mine, _other = end_urls(phone)
    assert phone.post(mine).url == "/"
    assert phone.get("/profile/").status_code == 302
    assert desk.get("/profile/").status_code == 200


def test_ending_the_others_leaves_this_one(browsers) -> None:
    phone, desk = browsers
    key = phone.session.session_key
    assert phone.post("/logout/others/").url == "/profile/"
    page = phone.get("/profile/")
    assert b"Every other device is logged out." in page.content
    assert [login["is_current"] for login in page.context["logins"]] == [True]
    assert phone.session.session_key != key
    assert desk.get("/profile/").status_code == 302
    assert User.objects.get().session_epoch == 1
    # Asked again there is none to end, and the trace, which is kept for ever, does not grow.
    assert phone.post("/logout/others/").url == "/profile/"
    assert phone.get("/profile/").status_code == 200
    assert AuditEvent.objects.filter(action="user.end_other_sessions").count() == 1


def test_a_stranger_ends_none_of_mine(browsers, client_for) -> None:
    phone, desk = browsers
    stranger = client_for(CustomerFactory())
    for url in end_urls(phone):
        assert stranger.post(url).url == "/profile/"
        assert Client().post(url).url.startswith("/login/")
    stranger.post("/logout/others/")
    assert phone.get("/profile/").status_code == desk.get("/profile/").status_code == 200


def test_the_profile_takes_six_commands(browsers, commands) -> None:
    phone, _desk = browsers
    phone.get("/profile/")
    commands.clear()
    phone.get("/profile/")
    # Session, user, the user anew for the form, sessions, balance, unread.
    assert len(commands) == 6


def test_a_look_is_noted_once_in_five_minutes_by_one_command(sent, commands) -> None:
    client = Client()
    log_in(client)
    begun = LoginSession.objects.get().last_seen_at
    for minutes, written in ((4, 0), (6, 1), (7, 0), (12, 1)):
        now = begun + timedelta(minutes=minutes)
        with time_machine.travel(now, tick=False):
            commands.clear()
            assert client.get("/profile/").status_code == 200
        assert commands.count("update sessions") == written
        assert len(commands) == 6 + written
        seen = LoginSession.objects.get().last_seen_at
        assert abs(seen - (now if written else seen)) < timedelta(seconds=1)
    assert seen - begun >= timedelta(minutes=11)


def test_logging_out_leaves_nothing_to_note(sent, commands) -> None:
    client = Client()
    log_in(client)
    LoginSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    commands.clear()
    client.post("/logout/")
    assert commands.count("update sessions") == 0
    assert LoginSession.objects.filter(user_id__isnull=False).count() == 0
