"""Factories of the documents that tests start from."""

import secrets
from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.models import User
from catalog.models import Delivery, Plan, Platform
from catalog.services import restock
from orders.models import Order
from orders.quotes import quote_for, read_quote
from orders.services import place_order
from subscriptions.models import Credential
from subscriptions.services import add_credential
from wallet.services import adjust_wallet, ensure_wallet


class CustomerFactory(DjangoModelFactory):
    """A customer with a valid Indian phone."""

    class Meta:
        model = User

    phone = factory.Sequence(lambda n: f"+9198765{n:05d}")
    name = "Asha Verma"
    role = "user"


class AdminFactory(CustomerFactory):
    """An administrator."""

    phone = factory.Sequence(lambda n: f"+9197765{n:05d}")
    role = "admin"


class SupportFactory(CustomerFactory):
    """A support agent."""

    phone = factory.Sequence(lambda n: f"+9196765{n:05d}")
    role = "support"


class PlatformFactory(DjangoModelFactory):
    """A platform."""

    class Meta:
        model = Platform

    name = factory.Sequence(lambda n: f"Pavilion {n}")
    slug = factory.Sequence(lambda n: f"pavilion-{n}")


class PlanFactory(DjangoModelFactory):
    """A plan at ₹199 for 30 days; `stock` is put in by the service, so that the books agree."""

    class Meta:
        model = Plan
        skip_postgeneration_save = True

    platform = factory.SubFactory(PlatformFactory)
    name = "Premium"
    slug = factory.Sequence(lambda n: f"premium-{n}")
    price_paise = 199_00
    list_price_paise = 299_00
    duration_days = 30
    delivery = Delivery.INSTANT

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Plan:
        stock = kwargs.pop("stock", 10)
        plan = super()._create(model_class, *args, **kwargs)
        if stock:
            restock(plan=plan, delta=stock, note="first", actor=None, key=f"first:{plan.pk}")
            plan.refresh_from_db()
        return plan


def give_money(user: User, amount_paise: int) -> None:
    """Credit a wallet as an operator would."""
    ensure_wallet(user.pk)
    adjust_wallet(
        user=user,
        amount_paise=amount_paise,
        reason="for a test",
        actor=None,
        key=secrets.token_hex(8),
    )


# Letters that no number written in hexadecimal has: tests look for it in whole documents.
PIN = "pin-4321"


def add_account(plan: Plan, *, seats: int = 1, login: str = "") -> Credential:
    """Put an account with a known password into the plan's pool."""
    return add_credential(
        plan=plan,
        login=login or f"{secrets.token_hex(4)}@example.com",
        password="s3cret-Pa55",
        pin=PIN,
        seats=seats,
        actor=None,
    )


def buy(user: User, plan: Plan, *, key: str = "", customer_email: str = "") -> Order:
    """Buy `plan` with a quote as the confirm page signs it."""
    quote = read_quote(quote_for(user=user, plan=plan, key=key), user=user, plan=plan)
    return place_order(user=user, quote=quote, customer_email=customer_email)
