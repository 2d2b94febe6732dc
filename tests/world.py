"""A shop in use: one of everything, and one person of each role, each with a browser."""

from dataclasses import dataclass
from datetime import timedelta

from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from accounts.models import OneTimeCode, TotpDevice, User
from accounts.second_factor import create_enrolment_link
from help_pages.models import HelpPage
from notifications.models import Notification
from orders.models import Order
from orders.quotes import quote_for
from orders.refunds import refund_order
from subscriptions.services import reveal_credentials
from subscriptions.views import signed_price
from tests.factories import (
    AdminFactory,
    CustomerFactory,
    PlanFactory,
    PlatformFactory,
    SupportFactory,
    add_account,
    buy,
    give_money,
)
from wallet.models import Recharge, WebhookEvent


@dataclass
class World:
    """What make_world() made.

    clients: a logged-in test client for "owner", "stranger", "support", "admin" and "nobody"; the
        staff's have passed the second factor.
    values: of the owner's documents, by the names that the table of addresses uses.
    private: what of the owner no other customer and no stranger may read.
    """

    clients: dict[str, Client]
    values: dict[str, str]
    private: list[str]


def make_world() -> World:
    """Make it through the services, as far as there are any."""
    people = {
        "owner": CustomerFactory(phone="+919800000001", email="owner.of.it@example.com"),
        "stranger": CustomerFactory(name="Stranger"),
        "support": SupportFactory(),
        "admin": AdminFactory(),
    }
    owner = people["owner"]
    platform = PlatformFactory(name="Nataka Plus", slug="nataka", hue="coral", mark="play")
    plan = PlanFactory(platform=platform, slug="premium", features="Four screens\n4K HDR")
    add_account(plan, seats=5, login="seat@example.com")
    give_money(owner, 700_00)
    order = buy(owner, plan)
    refund = refund_order(
        order=order, amount_paise=10_00, reason="x", actor=None, key="r", take_back=False
    )
    reveal_credentials(subscription=order.subscription, user=owner, ip="10.0.0.1")
    recharge = Recharge.objects.create(
        user=owner, amount_paise=300_00, key="first", razorpay_order_id="order_1"
    )
    paid = Recharge.objects.create(
        user=owner,
        amount_paise=200_00,
        key="paid",
        razorpay_order_id="order_paid",
        payment_id="pay_paid",
        state=Recharge.State.COMPLETED,
        completed_at=timezone.now(),
    )
    _others(owner)
    link = create_enrolment_link(people["admin"])
    notice = Notification.objects.filter(user_id=owner.pk).first()
    assert notice is not None
    return World(
        clients={"nobody": client_of(None), **{role: client_of(people[role]) for role in people}},
        values={
            "order": order.number,
            "order_id": str(order.pk),
            "refund": str(refund.pk),
            "paid_recharge": str(paid.pk),
            "subscription": str(order.subscription_id),
            "recharge": str(recharge.pk),
            "notice": str(notice.pk),
            "quote": quote_for(user=owner, plan=plan),
            "renewal": quote_for(user=owner, plan=plan, renews=order.subscription),
            "auto_renewal": signed_price(order.subscription),
            "enrolment": link,
        },
        private=[order.number, owner.email, "seat@example.com", "s3cret-Pa55"],
    )


def _others(owner: User) -> Order:
    """Documents in other states, so that lists and the console have more than one kind."""
    music = PlatformFactory(name="Surtaal", slug="surtaal", hue="violet", mark="wave")
    PlanFactory(platform=music, name="Family", slug="family", stock=0)
    mail = PlanFactory(
        platform=music, name="Solo", slug="solo", delivery="customer_email", price_paise=79_00
    )
    waiting = buy(owner, mail, customer_email="owner.of.it@example.com")
    Recharge.objects.create(
        user=owner,
        amount_paise=500_00,
        key="second",
        razorpay_order_id="order_2",
        state=Recharge.State.FAILED,
    )
    WebhookEvent.objects.create(event_id="evt_1", type="payment.captured", payload="{}")
    HelpPage.objects.get_or_create(slug="faq")
    now = timezone.now()
    # The server itself deletes a code whose time is over.
    later = now + timedelta(hours=1)
    OneTimeCode.objects.create(key="login:x", phone="+919811111119", expires_at=later, sent_at=now)
    return waiting


def client_of(person: User | None) -> Client:
    """Return a browser in which `person` is logged in; staff have passed the second factor."""
    client = Client(raise_request_exception=False)
    if person is None:
        return client
    client.force_login(person)
    if person.is_staff:
        device = TotpDevice.objects.create(user=person, name="a", key="MFRGGZDFMZTWQ2LK")
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
    return client
