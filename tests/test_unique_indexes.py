"""Unique indexes refuse doubles and answer look-ups, with nulls as before."""

import pytest
from django.db import IntegrityError

from accounts.models import LoginSession, User
from orders.models import Order, Refund
from ottsonly.models import Counter
from tests.factories import CustomerFactory
from wallet.models import Recharge, Wallet, WalletTransaction

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("model", "filters"),
    [
        (LoginSession, {"pk": "a-session"}),
        (Wallet, {"pk": "6b06e09ff9fc02a9e1fa68a6"}),
        (Counter, {"pk": "code-ip:1"}),
        (Order, {"number": "7K3M-9QXW"}),
        (Order, {"user_id": "6b06e09ff9fc02a9e1fa68a6", "key": "k"}),
        (Refund, {"key": "k"}),
        (User, {"phone": "+919876543210"}),
        (WalletTransaction, {"key": "order:1"}),
        (Recharge, {"payment_id": "pay_1"}),
        (Recharge, {"razorpay_order_id": "order_1"}),
    ],
)
def test_what_is_unique_is_found_by_its_index(model, filters):
    plan = model.objects.filter(**filters).explain()
    assert '"IXSCAN"' in plan
    assert '"COLLSCAN"' not in plan


def test_doubles_are_refused_and_nulls_are_not_doubles(customer):
    with pytest.raises(IntegrityError):
        CustomerFactory(phone=customer.phone)
    for number in range(2):
        Recharge.objects.create(user=customer, amount_paise=100_00, key=str(number))
    Recharge.objects.create(user=customer, amount_paise=1, key="a", payment_id="pay_1")
    with pytest.raises(IntegrityError):
        Recharge.objects.create(user=customer, amount_paise=1, key="b", payment_id="pay_1")
    assert Recharge.objects.count() == 3
