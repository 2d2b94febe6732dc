"""Changing the phone: two codes, each for its own step, and nothing before both were right."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import codes, services
from accounts.errors import CodeExpired, PhoneChangeRefused, SmsError, WrongCode
from accounts.models import LoginSession, OneTimeCode, User
from accounts.phone_change import STALE, TAKEN, change_phone, new_phone_slot, old_phone_slot
from notifications.models import Notification
from ottsonly.models import AuditEvent
from tests.accounts.conftest import PHONE, log_in, other_than, run_together
from tests.factories import SupportFactory

pytestmark = pytest.mark.django_db
NEW = "+919812345678"


def cool_down() -> None:
    OneTimeCode.objects.update(sent_at=timezone.now() - timedelta(seconds=31))


@pytest.fixture
def browser(sent: list) -> Client:
    """A browser in which PHONE is logged in."""
    client = Client()
    log_in(client)
    sent.clear()
    return client


def ask(client: Client, phone: str = NEW) -> Any:
    return client.post("/profile/phone/", {"phone": phone})


def give(client: Client, step: str, code: str) -> Any:
    return client.post(f"/profile/phone/{step}/", {"code": code})


def show_old(client: Client, sent: list) -> None:
    ask(client)
    assert give(client, "old", sent[-1][1]).url == "/profile/phone/new/"


def nothing_changed() -> bool:
    told = Notification.objects.count(), AuditEvent.objects.filter(action="user.change_phone")
    return User.objects.filter(phone=PHONE, session_epoch=0).exists() and not any(told)


def test_both_codes_change_the_number_and_end_the_other_sessions(
    browser: Client, sent: list
) -> None:
    cool_down()
    elsewhere = Client()
    log_in(elsewhere)
    sent.clear()
    assert ask(browser).url == "/profile/phone/old/"
    assert [phone for phone, _code in sent] == [PHONE]
    assert b"+91 98765 43210" in browser.get("/profile/phone/old/").content
    assert give(browser, "old", sent[0][1]).url == "/profile/phone/new/"
    assert [phone for phone, _code in sent] == [PHONE, NEW]
    assert nothing_changed()
    assert give(browser, "new", sent[1][1]).url == "/profile/"

    user = User.objects.get()
    assert user.phone == NEW
    page = browser.get("/profile/")
    assert b"+91 98123 45678" in page.content
    assert b"Every other device is logged out." in page.content
    assert elsewhere.get("/profile/").status_code == 302
    assert LoginSession.objects.filter(user_id=user.pk).count() == 1
    event = AuditEvent.objects.get(action="user.change_phone")
    assert (event.actor_id, event.before, event.after) == (
        user.pk,
        {"phone": "+91 98••• ••210"},
        {"phone": "+91 98••• ••678"},
    )
    notice = Notification.objects.get()
    assert notice.title == "Your phone number was changed"
    assert notice.body == (
        "From +91 98••• ••210 to +91 98••• ••678. Every other device was logged out."
    )
    assert sent[2] == (PHONE, "moved to +91 98••• ••678")
    cool_down()
    log_in(Client(), NEW)
    assert User.objects.get().pk == user.pk


def test_the_old_number_is_free_for_somebody_else(browser: Client, sent: list) -> None:
    show_old(browser, sent)
    give(browser, "new", sent[-1][1])
    cool_down()
    log_in(Client(), PHONE)
    assert sorted(User.objects.values_list("phone", flat=True)) == [NEW, PHONE]


def test_a_wrong_code_at_either_step_changes_nothing_and_locks(browser: Client, sent: list) -> None:
    ask(browser)
    right = sent[-1][1]
    for left in ("4 tries", "3 tries", "2 tries", "1 try"):
        errors = give(browser, "old", other_than(right)).context["form"].errors["code"]
        assert errors == [f"That code is not right. You have {left} left."]
    for code in (other_than(right), right):
        assert give(browser, "old", code).context["form"].errors["code"] == [codes.LOCKED]
    # Locked at the first step, the second cannot be reached.
    assert browser.get("/profile/phone/new/").url == "/profile/phone/"
    assert len(sent) == 1
    cool_down()
    browser.post("/profile/phone/resend/")
    give(browser, "old", sent[-1][1])
    right = sent[-1][1]
    for _unused in range(5):
        give(browser, "new", other_than(right))
    assert give(browser, "new", right).context["form"].errors["code"] == [codes.LOCKED]
    assert nothing_changed()


def test_the_second_step_without_the_first_changes_nothing(browser: Client, sent: list) -> None:
    user = User.objects.get()
    ask(browser)
    codes.send_code(new_phone_slot(user, NEW), ip="10.0.0.1")
    assert give(browser, "new", sent[-1][1]).url == "/profile/phone/"
    assert nothing_changed()


def test_a_code_fits_its_own_purpose_person_and_phone(browser: Client, sent: list) -> None:
    user = User.objects.get()
    other = User.objects.create(phone="+919876500001")
    slots = [
        services.login_slot(PHONE),
        services.login_slot(NEW),
        old_phone_slot(user),
        new_phone_slot(user, NEW),
        new_phone_slot(user, "+919812345679"),
        new_phone_slot(other, NEW),
        new_phone_slot(user, PHONE),
    ]
    cool_down()
    hashes = {slot.hash_of("123456") for slot in slots}
    assert len(hashes) == len(slots) == len({slot.key for slot in slots})
    code = codes.send_code(old_phone_slot(user), ip="10.0.0.1")
    for slot in slots:
        if slot == old_phone_slot(user) or slot == services.login_slot(PHONE):
            continue
        with pytest.raises(CodeExpired):
            codes.use_code(slot, code=code, ip="10.0.0.1")
    log_in_code = services.send_code(phone=PHONE, ip="10.0.0.1")
    if log_in_code != code:
        with pytest.raises(WrongCode):
            codes.use_code(services.login_slot(PHONE), code=code, ip="10.0.0.1")
        with pytest.raises(WrongCode):
            codes.use_code(old_phone_slot(user), code=log_in_code, ip="10.0.0.1")
    codes.use_code(old_phone_slot(user), code=code, ip="10.0.0.1")


def test_codes_and_the_first_step_expire(browser: Client, sent: list) -> None:
    ask(browser)
    OneTimeCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    said = give(browser, "old", sent[-1][1]).context["form"].errors["code"]
    assert said == [codes.EXPIRED]
    cool_down()
    browser.post("/profile/phone/resend/")
    give(browser, "old", sent[-1][1])
    session = browser.session
    session["phone_change"]["old_at"] = (timezone.now() - timedelta(seconds=601)).isoformat()
    session["phone_change"] = dict(session["phone_change"])
    session.save()
    assert give(browser, "new", sent[-1][1]).url == "/profile/phone/"
    assert b"That took too long" in browser.get("/profile/phone/").content
    assert nothing_changed()


def test_cooldown_and_caps_hold_here_too(browser: Client, sent: list, settings: Any) -> None:
    ask(browser)
    assert ask(browser).url == "/profile/phone/old/"
    browser.post("/profile/phone/resend/")
    assert len(sent) == 1
    settings.OTP_RESEND_SECONDS = 0
    # One was sent at the log-in and one here: the phone's cap counts every purpose.
    settings.OTP_PER_PHONE_PER_HOUR = 3
    assert [ask(browser).status_code for _unused in range(2)] == [302, 429]
    assert len(sent) == 2


def test_one_person_asks_for_ten_codes_an_hour(browser: Client, sent: list, settings: Any) -> None:
    settings.OTP_RESEND_SECONDS = 0
    settings.OTP_PER_PHONE_PER_HOUR = 100
    statuses = [ask(browser).status_code for _unused in range(11)]
    assert (statuses, len(sent)) == ([302] * 10 + [429], 10)


@pytest.mark.parametrize(
    ("phone", "said"),
    [
        ("98765 43210", "This is your number already."),
        ("12345", "Enter a phone number that exists, such as 98765 43210 or +44 7400 123456."),
        ("", "This field is required."),
    ],
)
def test_a_number_that_cannot_be_is_named(
    browser: Client, sent: list, phone: str, said: str
) -> None:
    page = ask(browser, phone)
    assert (page.status_code, page.context["form"].errors["phone"], sent) == (200, [said], [])


def test_whose_the_new_number_is_is_told_only_to_who_holds_it(browser: Client, sent: list) -> None:
    User.objects.create(phone=NEW)
    show_old(browser, sent)
    assert b"Another account" not in browser.get("/profile/phone/new/").content
    assert give(browser, "new", sent[-1][1]).url == "/profile/phone/"
    assert TAKEN.encode() in browser.get("/profile/phone/").content
    assert nothing_changed()
    assert browser.get("/profile/").status_code == 200


def test_of_two_who_want_one_number_one_gets_it(sent: list) -> None:
    people = [User.objects.create(phone=f"+91987650000{number}") for number in (1, 2)]
    given = [codes.send_code(new_phone_slot(person, NEW), ip="10.0.0.1") for person in people]

    def change(person: User, code: str) -> str:
        change_phone(
            user=person,
            old_phone=person.phone,
            new_phone=NEW,
            code=code,
            ip="10.0.0.1",
            session_key=None,
        )
        return "changed"

    results = run_together(
        *(lambda p=p, c=c: change(p, c) for p, c in zip(people, given, strict=True))
    )
    assert sorted(map(str, results)) == [TAKEN, "changed"]
    assert User.objects.filter(phone=NEW).count() == 1
    assert User.objects.count() == 2
    assert AuditEvent.objects.filter(action="user.change_phone").count() == 1
    assert Notification.objects.count() == 1


def test_a_number_taken_between_the_check_and_the_write_is_refused(
    browser: Client, sent: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_old(browser, sent)
    use_code = codes.use_code

    def and_then_another_takes_it(*args: Any, **kwargs: Any) -> None:
        use_code(*args, **kwargs)
        User.objects.create(phone=NEW)

    monkeypatch.setattr(codes, "use_code", and_then_another_takes_it)
    assert give(browser, "new", sent[-1][1]).url == "/profile/phone/"
    assert nothing_changed()


def test_a_change_that_was_overtaken_is_refused(sent: list) -> None:
    user = User.objects.create(phone=PHONE)
    code = codes.send_code(new_phone_slot(user, NEW), ip="10.0.0.1")
    User.objects.update(phone="+919876500009")
    with pytest.raises(PhoneChangeRefused, match=STALE):
        change_phone(
            user=user, old_phone=PHONE, new_phone=NEW, code=code, ip="10.0.0.1", session_key=None
        )
    assert User.objects.get().phone == "+919876500009"


def test_a_gateway_that_fails_afterwards_takes_nothing_back(
    browser: Client, sent: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(self: Any, **message: str) -> None:
        raise SmsError("down")

    monkeypatch.setattr("tests.accounts.conftest.MemorySms.send_phone_changed", down)
    show_old(browser, sent)
    assert give(browser, "new", sent[-1][1]).url == "/profile/"
    assert User.objects.get().phone == NEW


def test_a_second_code_that_cannot_be_sent_is_sent_from_the_next_page(
    browser: Client, sent: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(browser)
    right = sent[-1][1]

    def down(self: Any, **message: str) -> None:
        raise SmsError("The code could not be sent just now. Please try again in a minute.")

    with monkeypatch.context() as patch:
        patch.setattr("tests.accounts.conftest.MemorySms.send_code", down)
        assert give(browser, "old", right).url == "/profile/phone/new/"
    assert b"could not be sent" in browser.get("/profile/phone/new/").content
    browser.post("/profile/phone/resend/")
    assert sent[-1][0] == NEW
    assert give(browser, "new", sent[-1][1]).url == "/profile/"


def test_staff_pass_the_second_factor_first(sent: list, client_for: Any) -> None:
    client = client_for(SupportFactory())
    assert client.get("/profile/phone/").url == "/second-factor/?next=%2Fprofile%2Fphone%2F"
    assert ask(client).status_code == 302
    assert sent == []


def test_the_code_is_shown_in_development_only(browser: Client, sent: list, settings: Any) -> None:
    ask(browser)
    assert browser.get("/profile/phone/old/").context["demo_code"] is None
    assert sent[-1][1] not in browser.get("/profile/phone/old/").content.decode()
    cool_down()
    settings.DEBUG = True
    browser.post("/profile/phone/resend/")
    assert browser.get("/profile/phone/old/").context["demo_code"] == sent[-1][1]
