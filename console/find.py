"""The search box: whatever a customer reads out leads to its page."""

from dataclasses import dataclass

from django.urls import reverse

from accounts.lookup import find_users
from accounts.models import User
from orders.models import NUMBER_ALPHABET, Order
from wallet.models import Recharge


@dataclass(frozen=True)
class Found:
    """What the search found: one place to go to, or several people to choose from."""

    url: str = ""
    people: tuple[User, ...] = ()


def find(text: str) -> Found:
    """Look `text` up as an order number, an id of Razorpay, a phone or an e-mail.

    Each is an equality on an index: two commands at most.
    """
    text = text.strip()
    if text.startswith("order_"):
        return _recharge(razorpay_order_id=text)
    if text.startswith("pay_"):
        return _recharge(payment_id=text)
    number = order_number(text)
    if number:
        order = Order.objects.filter(number=number).only("pk").first()
        if order is not None:
            return Found(url=reverse("admin:orders_order_change", args=[order.pk]))
    people = find_users(text) if text else []
    if len(people) == 1:
        return Found(url=reverse("admin:accounts_user_change", args=[people[0].pk]))
    return Found(people=tuple(people))


def order_number(text: str) -> str:
    """Return `text` as an order number is kept ("7K3M-9QXW"), or "" if it is none."""
    bare = text.upper().replace(" ", "").replace("-", "")
    if len(bare) != 8 or not set(bare) <= set(NUMBER_ALPHABET):
        return ""
    return f"{bare[:4]}-{bare[4:]}"


def _recharge(**ids: str) -> Found:
    recharge = Recharge.objects.filter(**ids).only("pk").first()
    if recharge is None:
        return Found()
    return Found(url=reverse("admin:wallet_recharge_change", args=[recharge.pk]))
