"""Enrolment, the console's second factor, and the last admin."""

import time
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.core.management import call_command
from django.test import Client

from accounts import second_factor as factor
from accounts import services
from accounts.errors import LastAdmin
from accounts.models import BackupCode, EnrolmentLink, TotpDevice, User
from ottsonly.admin_site import ConsoleSite
from ottsonly.models import AuditEvent
from tests.accounts.conftest import PHONE, give_code, log_in, run_together

pytestmark = pytest.mark.django_db


def make_staff(role: str = "admin", phone: str = PHONE) -> User:
    return User.objects.create(phone=phone, role=role)


def enrol(user: User) -> tuple[TotpDevice, list[str]]:
    """Enrol with the token of one step ago, so that the current one is still unused."""
    link = factor.open_link(token=factor.create_enrolment_link(user), user=user)
    step = int(time.time() // 30)
    return factor.confirm_enrolment(link=link, token=factor.token_at(link.key, step - 1))


def token_of(device: TotpDevice) -> str:
    return factor.token_at(device.key, int(time.time() // 30))


def test_console_site_is_ours() -> None:
    assert isinstance(
        admin.site._wrapped if hasattr(admin.site, "_wrapped") else admin.site, ConsoleSite
    )


def test_create_admin_enrols_through_the_pages_once(sent: list) -> None:
    out = StringIO()
    call_command("create_admin", "98765 43210", "--name", "Ravi", stdout=out)
    user = User.objects.get()
    assert (user.phone, user.role, user.name) == (PHONE, "admin", "Ravi")
    path = "/enrol/" + out.getvalue().rstrip().rsplit("/enrol/", 1)[1]
    client = Client()
    assert client.get(path).url == f"/login/?next={path}"
    client.post("/login/", {"phone": PHONE, "next": path})
    assert give_code(client, sent[-1][1]).url == path
    page = client.get(path)
    assert b"<svg" in page.content and b" style=" not in page.content
    secret = page.context["secret_groups"].replace(" ", "")
    assert client.post(path, {"token": "000000"}).context["form"].errors["token"]
    token = factor.token_at(secret, int(time.time() // 30))
    done = client.post(path, {"token": token})
    assert len(done.context["codes"]) == 10
    assert BackupCode.objects.count() == 10
    assert client.get("/admin/").status_code == 200
    assert client.get(path).status_code == 410
    assert TotpDevice.objects.count() == 1


def test_link_opens_to_its_owner_only() -> None:
    token = factor.create_enrolment_link(make_staff())
    other = make_staff(phone="+919876500001")
    client = Client()
    client.force_login(other)
    assert client.get(f"/enrol/{token}/").status_code == 410


def test_new_link_kills_the_old_and_confirming_once_of_two() -> None:
    user = make_staff()
    old = factor.create_enrolment_link(user)
    link = factor.open_link(token=factor.create_enrolment_link(user), user=user)
    with pytest.raises(factor.EnrolmentInvalid):
        factor.open_link(token=old, user=user)
    token = factor.token_at(link.key, int(time.time() // 30))

    def work() -> Any:
        return factor.confirm_enrolment(link=link, token=token)

    names = sorted(type(result).__name__ for result in run_together(work, work))
    assert names == ["EnrolmentInvalid", "tuple"]
    assert (TotpDevice.objects.count(), BackupCode.objects.count()) == (1, 10)
    assert EnrolmentLink.objects.filter(used_at=None).count() == 1  # the old one, long expired


def test_console_needs_the_token_and_takes_it_once(sent: list) -> None:
    user = make_staff()
    device, _codes = enrol(user)
    client = Client()
    assert log_in(client).url == "/second-factor/"
    assert client.get("/admin/").url == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/?next=/admin/").url == "/second-factor/?next=%2Fadmin%2F"
    token = token_of(device)
    # Nobody is led to a stranger's page that looks like the console.
    foreign = "/second-factor/?next=//evil.example/admin/"
    assert client.post(foreign, {"token": token}).url == "/admin/"
    assert client.get("/admin/").status_code == 200
    again = Client()
    again.force_login(user)
    replay = again.post("/second-factor/", {"token": token})
    assert replay.context["form"].errors["token"] == [factor.WRONG]
    assert again.get("/admin/").status_code == 302


def test_same_token_in_two_threads_has_one_winner() -> None:
    user = make_staff()
    device, codes = enrol(user)
    for token in (token_of(device), codes[0]):

        def work(token: str = token) -> Any:
            return factor.verify_second_factor(user=user, token=token, ip="10.0.0.1")

        names = sorted(type(result).__name__ for result in run_together(work, work))
        assert names == ["SecondFactorRefused", "TotpDevice"]


def test_backup_code_opens_once() -> None:
    user = make_staff("support")
    _device, codes = enrol(user)
    client = Client()
    client.force_login(user)
    assert client.post("/second-factor/", {"token": codes[3].upper()}).url == "/admin/"
    assert BackupCode.objects.count() == 9
    with pytest.raises(factor.SecondFactorRefused):
        factor.verify_second_factor(user=user, token=codes[3], ip="10.0.0.1")


def test_the_second_factor_is_asked_again_while_the_log_in_goes_on(
    sent: list, settings: Any
) -> None:
    settings.CONSOLE_SESSION_SECONDS = 12 * 3600
    device, codes = enrol(make_staff())
    client = Client()
    log_in(client)
    client.post("/second-factor/", {"token": token_of(device)})
    begun = time.time()
    with time_machine.travel(begun + 11.9 * 3600):
        assert client.get("/admin/").status_code == 200
    with time_machine.travel(begun + 12.1 * 3600):
        assert client.get("/admin/").url == "/admin/login/?next=/admin/"
        asked = client.get("/admin/login/?next=/admin/").url
        assert asked == "/second-factor/?next=%2Fadmin%2F"
        # Still the same person, and no loop.
        assert client.get(asked).status_code == 200
        assert client.post(asked, {"token": codes[0]}).url == "/admin/"
        assert client.get("/admin/").status_code == 200


def test_a_session_without_the_time_of_its_second_factor_is_asked(settings: Any) -> None:
    settings.CONSOLE_SESSION_SECONDS = 12 * 3600
    user = make_staff()
    device, _codes = enrol(user)
    client = Client()
    client.force_login(user)
    session = client.session
    session["otp_device_id"] = device.persistent_id
    session.save()
    assert client.get("/admin/").status_code == 302


def test_a_backup_code_is_used_and_recorded_both_or_neither(monkeypatch: Any) -> None:
    user = make_staff()
    _device, codes = enrol(user)

    def fail(**event: Any) -> None:
        raise RuntimeError("the process dies here")

    with monkeypatch.context() as dying:
        dying.setattr(factor, "record_event", fail)
        with pytest.raises(RuntimeError):
            factor.verify_second_factor(user=user, token=codes[0], ip="10.0.0.1")
    assert BackupCode.objects.count() == 10
    factor.verify_second_factor(user=user, token=codes[0], ip="10.0.0.1")
    assert BackupCode.objects.count() == 9
    assert AuditEvent.objects.filter(action="user.backup_code_used").count() == 1


def test_valid_phone_code_is_no_second_factor(sent: list) -> None:
    user = make_staff()
    enrol(user)
    client = Client()
    client.force_login(user)
    services.send_code(phone=PHONE, ip="10.0.0.1")
    code = sent[-1][1]
    page = client.post("/second-factor/", {"token": code})
    assert page.context["form"].errors["token"] == [factor.WRONG]
    assert client.get("/admin/").status_code == 302
    # It was a valid code all the same: it still logs in.
    assert services.verify_code(phone=PHONE, code=code, ip="10.0.0.1") == user


def test_tries_are_capped(settings: Any) -> None:
    user = make_staff()
    device, _codes = enrol(user)
    for _ in range(10):
        with pytest.raises(factor.SecondFactorRefused, match="not right"):
            factor.verify_second_factor(user=user, token="wrong", ip="10.0.0.1")
    with pytest.raises(factor.SecondFactorRefused, match="Too many"):
        factor.verify_second_factor(user=user, token=token_of(device), ip="10.0.0.1")


def test_customer_is_refused_by_the_console_without_a_loop() -> None:
    client = Client()
    client.force_login(User.objects.create(phone=PHONE))
    assert client.get("/admin/login/?next=/admin/").status_code == 403
    assert client.get("/second-factor/").status_code == 403
    assert Client().get("/admin/login/?next=/admin/").url == "/login/?next=/admin/"


def test_forged_device_in_the_session_is_not_believed() -> None:
    user, other = make_staff(), make_staff(phone="+919876500001")
    device, _codes = enrol(other)
    for forged in (device.persistent_id, f"accounts.user/{user.pk}", "nonsense", "a/1"):
        client = Client()
        client.force_login(user)
        session = client.session
        session["otp_device_id"] = forged
        session.save()
        assert client.get("/admin/").status_code == 302


def test_enrolling_anew_shuts_out_the_old_device() -> None:
    user = make_staff()
    device, _codes = enrol(user)
    client = Client()
    client.force_login(user)
    client.post("/second-factor/", {"token": token_of(device)})
    assert client.get("/admin/").status_code == 200
    enrol(user)
    assert client.get("/admin/").status_code == 302


def test_last_admin_stays() -> None:
    user = make_staff()
    for change in (
        lambda: services.change_role(user=user, role="user", actor=None),
        lambda: services.set_active(user=user, is_active=False, actor=None),
    ):
        with pytest.raises(LastAdmin):
            change()
    user.refresh_from_db()
    assert (user.role, user.is_active) == ("admin", True)


def test_two_admins_cannot_remove_each_other() -> None:
    first, second = make_staff(), make_staff(phone="+919876500001")
    results = run_together(
        lambda: services.change_role(user=first, role="user", actor=None),
        lambda: services.set_active(user=second, is_active=False, actor=None),
    )
    assert sorted(type(result).__name__ for result in results) == ["LastAdmin", "NoneType"]
    assert User.objects.filter(role="admin", is_active=True).count() == 1


def test_support_may_look_and_nothing_else() -> None:
    support, boss = make_staff("support"), make_staff(phone="+919876500001")
    assert support.has_perm("accounts.view_user")
    assert not any(
        support.has_perm(f"accounts.{action}_user") for action in ("add", "change", "delete")
    )
    for user in (support, boss):
        assert not any(
            user.has_perm(f"accounts.{action}_{model}")
            for action in ("view", "add", "change", "delete")
            for model in ("loginsession", "totpdevice", "backupcode", "onetimecode")
        )
    boss.is_active = False
    assert boss.get_all_permissions() == frozenset()


def test_console_disables_a_customer_by_the_service() -> None:
    boss = make_staff()
    customer = User.objects.create(phone="+919876500002")
    support = make_staff("support", phone="+919876500003")
    for user, active in ((support, True), (boss, False)):
        device, _codes = enrol(user)
        client = Client()
        client.force_login(user)
        client.post("/second-factor/", {"token": token_of(device)})
        assert client.get("/admin/accounts/user/").status_code == 200
        address = f"/admin/accounts/user/{customer.pk}/disable/"
        form = client.get(address)
        assert form.status_code == (200 if user is boss else 403)
        key = form.context["key"] if user is boss else "none"
        client.post(address, {"command_key": key})
        customer.refresh_from_db()
        assert customer.is_active is active
