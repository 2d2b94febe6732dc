"""A customer's data: all of it in one file, and an account that can be deleted for good."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
import time_machine
from bson import encode
from django.db import connection
from django.test import Client

from accounts import codes
from accounts.errors import AccountDisabled
from accounts.models import LoginSession, User
from accounts.phone_change import change_phone, new_phone_slot, old_phone_slot
from accounts.services import change_role, set_active
from catalog.models import StockWatch
from notifications.models import Notification
from orders.books import check_books
from orders.models import Order, Refund
from ottsonly.models import AuditEvent
from subscriptions.lifecycle import expire_due
from subscriptions.models import Subscription
from tests.factories import (
    CustomerFactory,
    PlanFactory,
    SupportFactory,
    add_account,
    buy,
    give_money,
)
from wallet.models import Recharge, SourceRefund, WebhookEvent

pytestmark = pytest.mark.django_db
PHONES = (b"9812345678", b"9822222222", b"9833333333")


@pytest.fixture
def person(db):
    return CustomerFactory(phone="+919812345678", name="Asha Verma", email="asha.verma@example.com")


def used_up(person) -> Subscription:
    """Everything bought, ended and spent."""
    plan = PlanFactory()
    add_account(plan, login="seat@example.com")
    give_money(person, 199_00)
    subscription = buy(person, plan).subscription
    Subscription.objects.filter(pk=subscription.pk).update(customer_email=person.email)
    with time_machine.travel(subscription.ends_at + timedelta(seconds=1)):
        expire_due()
    return subscription


def delete(client, **data):
    return client.post("/profile/data/delete/", data, follow=True)


def test_the_export_holds_what_is_theirs_and_no_login_details(person, client_for):
    other = CustomerFactory(name="Somebody Else")
    give_money(other, 1_00)
    used_up(person)
    User.objects.filter(pk=person.pk).update(state_code="29")
    order = Order.objects.get(user=person)
    Refund.objects.create(order=order, amount_paise=5_00, reason="late", key="r")
    paid = Recharge.objects.create(user=person, amount_paise=1_00, key="k", state="completed")
    SourceRefund.objects.create(
        recharge=paid, user=person, amount_paise=1_00, reason="asked", actor=other, key="s"
    )
    answer = client_for(person).post("/profile/data/export/")
    assert answer["Content-Disposition"] == 'attachment; filename="ottsonly-my-data.json"'
    data = json.loads(answer.content)
    assert data["account"]["phone"] == "+919812345678"
    assert data["wallet"] == {"balance_paise": 0}
    assert [entry["amount_paise"] for entry in data["wallet_entries"]] == [199_00, -199_00]
    assert [order["price_paise"] for order in data["orders"]] == [199_00]
    assert [item["state"] for item in data["subscriptions"]] == ["expired"]
    assert len(data["notices"]) == Notification.objects.filter(user=person).count() > 0
    assert len(data["logins"]) == 1
    assert data["account"]["state_code"] == "29"
    assert [item["amount_paise"] for item in data["refunds"]] == [5_00]
    assert [item["reason"] for item in data["refunds_to_source"]] == ["asked"]
    assert [item["kind"] for item in data["reminders"]] == ["ended"]
    assert data["invoices"] == data["credit_notes"] == []
    for foreign in ("Somebody Else", "seat@example.com", "s3cret-Pa55"):
        assert foreign not in answer.content.decode()


def test_the_person_goes_and_the_books_stay(person, client_for, settings):
    subscription = used_up(person)
    StockWatch.objects.create(user=person, plan=subscription.plan)
    # The number was another one, and a further change was begun.
    User.objects.filter(pk=person.pk).update(phone="+919822222222")
    person.refresh_from_db()
    codes.send_code(old_phone_slot(person), ip="")
    code = codes.send_code(new_phone_slot(person, "+919812345678"), ip="")
    change_phone(
        user=person,
        old_phone="+919822222222",
        new_phone="+919812345678",
        code=code,
        ip="",
        session_key=None,
    )
    codes.send_code(new_phone_slot(person, "+919833333333"), ip="")
    assert post_hook(settings) == 204
    elsewhere, client = client_for(person), client_for(person)
    page = client.get("/profile/data/").content.decode()
    assert "I know that it does not come back" in page
    answer = delete(client, sure="yes")
    assert "Your account is deleted." in answer.content.decode()
    gone = User.objects.get(pk=person.pk)
    assert (gone.name, gone.email, gone.is_active) == ("", "", False)
    assert gone.phone.startswith("gone-")
    assert LoginSession.objects.filter(user_id=person.pk).count() == 0
    assert elsewhere.get("/wallet/").status_code == 302
    assert Order.objects.filter(user_id=person.pk).count() == 1
    assert list(check_books()) == []
    assert AuditEvent.objects.filter(action="user.delete").count() == 1
    # Nowhere in the database is anything of the person left.
    for name in connection.database.list_collection_names():
        raw = b"".join(encode(row) for row in connection.database[name].find())
        for trace in (*PHONES, b"Asha Verma", b"asha.verma@example.com"):
            assert trace not in raw, name


HOOK = {
    "event": "payment.captured",
    "payload": {
        "payment": {
            "entity": {
                "id": "pay_9",
                "order_id": "order_9",
                "amount": 1_00,
                "currency": "INR",
                "status": "captured",
                "contact": "+919812345678",
                "email": "asha.verma@example.com",
                "vpa": "9812345678@upi",
                "upi": {"vpa": "9812345678@upi"},
                "card": {"name": "Asha Verma", "last4": "1111"},
                "bank_account": {"name": "Asha Verma"},
                "acquirer_data": {"rrn": "443312"},
            }
        }
    },
}


def post_hook(settings) -> int:
    settings.RAZORPAY_WEBHOOK_SECRET = "secret"
    body = json.dumps(HOOK).encode()
    headers = {
        "X-Razorpay-Signature": hmac.new(b"secret", body, hashlib.sha256).hexdigest(),
        "X-Razorpay-Event-Id": "evt_9",
    }
    return (
        Client()
        .post("/wallet/razorpay/webhook", body, content_type="application/json", headers=headers)
        .status_code
    )


def test_an_applied_web_hook_forgets_who_paid_and_is_still_known(settings):
    assert [post_hook(settings), post_hook(settings)] == [204, 204]
    event = WebhookEvent.objects.get()
    entity = json.loads(event.payload)["payload"]["payment"]["entity"]
    assert event.state == "applied"
    assert set(entity) == {"id", "order_id", "amount", "currency", "status", "acquirer_data"}


def test_the_same_phone_begins_anew(person):
    from accounts.privacy import delete_account

    delete_account(user=person)
    fresh = CustomerFactory(phone="+919812345678")
    assert fresh.pk != person.pk
    # What is deleted stays so: nobody can be let in again, or made an admin.
    for change in ({"is_active": True}, {"role": "admin"}):
        with pytest.raises(AccountDisabled):
            (set_active if "is_active" in change else change_role)(
                user=person, actor=None, **change
            )
    gone = User.objects.get(pk=person.pk)
    assert (gone.is_deleted, gone.is_active, gone.role) == (True, False, "user")
    assert not fresh.is_deleted


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("money", "There are ₹500 in your wallet."),
        ("running", "is still running."),
        ("waiting", "An order of yours is being prepared."),
        ("top-up", "A top-up is under way: a payment may still come."),
    ],
)
def test_while_something_is_under_way_nothing_is_deleted(person, client_for, state, sentence):
    if state == "money":
        give_money(person, 500_00)
    elif state == "top-up":
        Recharge.objects.create(user=person, amount_paise=100_00, key="k")
    else:
        plan = PlanFactory(delivery="instant" if state == "running" else "manual")
        add_account(plan)
        give_money(person, 199_00)
        buy(person, plan)
    client = client_for(person)
    assert sentence in client.get("/profile/data/").content.decode()
    assert sentence in delete(client, sure="yes").content.decode()
    kept = User.objects.get(pk=person.pk)
    assert (kept.phone, kept.name, kept.is_active) == ("+919812345678", "Asha Verma", True)
    assert AuditEvent.objects.filter(action="user.delete").count() == 0


def test_without_the_tick_nothing_is_deleted(person, client_for):
    page = delete(client_for(person)).content.decode()
    assert "Tick the box first" in page
    assert User.objects.get(pk=person.pk).is_active


def test_staff_are_not_deleted_here(client_for):
    assert client_for(SupportFactory()).post("/profile/data/delete/").status_code == 403
