"""Promise 8: what a customer logs in with lies nowhere in clear and is shown to nobody else."""

import logging
import sys

import pytest
from django.core.signals import got_request_exception
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter
from django_otp import DEVICE_ID_SESSION_KEY

import subscriptions.admin_pool
import subscriptions.views
from accounts.models import TotpDevice
from orders.refunds import refund_order
from subscriptions.errors import NotDelivered
from subscriptions.models import Reveal
from subscriptions.services import add_credential, replace_credentials, reveal_credentials
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, buy, give_money

pytestmark = pytest.mark.django_db

SECRETS = ("netra.seat@example.com", "Oba-9931-pw", "pin-77318", "Kofi-4410-pw")


@pytest.fixture
def plan():
    return PlanFactory()


def _account(plan, admin, login=SECRETS[0]):
    return add_credential(
        plan=plan, login=login, password=SECRETS[1], pin=SECRETS[2], seats=2, actor=admin
    )


@pytest.fixture
def console():
    """An admin's browser that has passed the second factor, and the admin."""
    admin = AdminFactory()
    client = Client()
    client.force_login(admin)
    device = TotpDevice.objects.create(user=admin, name="authenticator", key="MFRGGZDFMZTWQ2LK")
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    return client, admin


@pytest.fixture
def bought(plan, customer, client_for, console):
    _account(plan, console[1])
    give_money(customer, 500_00)
    order = buy(customer, plan)
    return order, client_for(customer)


def _reveal(order):
    return reverse("subscriptions:reveal", args=[order.subscription_id])


def _change_password(client, account):
    address = reverse("admin:subscriptions_credential_password", args=[account.pk])
    key = client.get(address).context["key"]
    return client.post(address, {"command_key": key, "new_password": SECRETS[3]})


def _found_in(text):
    return [secret for secret in SECRETS if secret in text]


def test_a_whole_life_leaves_no_secret_in_the_database_or_the_logs(
    plan, bought, console, raw_client, caplog
):
    caplog.set_level(logging.DEBUG)
    order, shop = bought
    client, admin = console
    subscription = order.subscription
    assert _found_in(shop.post(_reveal(order)).content.decode()) == list(SECRETS[:3])
    _account(plan, admin, login="other@example.com")
    replace_credentials(subscription=subscription, reason="broken", actor=admin)
    assert _change_password(client, plan.credentials.first()).status_code == 302
    refund_order(order=order, amount_paise=199_00, reason="x", actor=admin, key="refund")
    database = raw_client[connection.settings_dict["NAME"]]
    names = set(database.list_collection_names())
    assert {"credentials", "audit_events", "sessions"} <= names
    documents = {name: str(list(database[name].find())) for name in names}
    assert {name: _found_in(text) for name, text in documents.items() if _found_in(text)} == {}
    assert len(caplog.records) > 100
    assert _found_in(caplog.text) == []


def test_a_look_is_a_post_recorded_and_kept_by_no_cache(bought):
    order, shop = bought
    assert shop.get(_reveal(order)).status_code == 405
    assert _found_in(shop.get(order.subscription.get_absolute_url()).content.decode()) == []
    assert Reveal.objects.count() == 0
    answer = shop.post(_reveal(order))
    assert _found_in(answer.content.decode()) == list(SECRETS[:3])
    assert "no-store" in answer.headers["Cache-Control"]
    assert "private" in answer.headers["Cache-Control"]
    seen = Reveal.objects.get()
    assert (seen.user_id, seen.subscription_id) == (order.user_id, order.subscription_id)


def test_no_name_of_a_document_holds_one(bought):
    order, shop = bought
    shop.post(_reveal(order))
    account = order.subscription.credential
    named = [account, order, order.subscription, Reveal.objects.get()]
    assert str(account) == f"account {account.fingerprint[:8]}"
    assert _found_in("".join(f"{document} {document!r}" for document in named)) == []


def test_a_stranger_is_shown_nothing_though_the_view_forgets(bought):
    order, _shop = bought
    for person in (CustomerFactory(), AdminFactory()):
        with pytest.raises(NotDelivered):
            reveal_credentials(subscription=order.subscription, user=person, ip="10.0.0.1")
    assert Reveal.objects.count() == 0


@pytest.fixture
def reports(settings):
    """The reports of errors that production would make, for the visitor's browser and for us."""
    settings.DEBUG = False
    made = []

    def make(request, **_more):
        report = ExceptionReporter(request, *sys.exc_info())
        made.append(report.get_traceback_html() + report.get_traceback_text())

    got_request_exception.connect(make)
    yield made
    got_request_exception.disconnect(make)


def test_an_error_while_they_are_shown_tells_nobody(bought, reports, monkeypatch):
    order, shop = bought

    def broken(request, template, context):
        raise OSError("no template")

    monkeypatch.setattr(subscriptions.views, "render", broken)
    shop.raise_request_exception = False
    answer = shop.post(_reveal(order))
    assert (answer.status_code, _found_in(answer.content.decode())) == (500, [])
    assert ["no template" in report for report in reports] == [True]
    assert _found_in(reports[0]) == []


def test_an_error_while_they_are_stored_tells_nobody(plan, bought, console, reports, monkeypatch):
    def broken():
        raise OSError("no database")

    monkeypatch.setattr(subscriptions.admin_pool, "deliver_waiting_orders", broken)
    client, _admin = console
    client.raise_request_exception = False
    answer = _change_password(client, plan.credentials.get())
    assert (answer.status_code, _found_in(answer.content.decode())) == (500, [])
    assert ["no database" in report for report in reports] == [True]
    assert _found_in(reports[0]) == []
