"""What the benchmarks fill a database with is a shop whose books agree."""

import pytest

from benchmarks import seed
from orders.books import check_books
from orders.models import Order
from subscriptions.models import Subscription


@pytest.mark.django_db
def test_the_books_of_a_seeded_shop_agree(monkeypatch):
    monkeypatch.setattr(seed, "WAITING", 2)
    seed.seed(60)
    assert Order.objects.count() == 60
    states = set(Subscription.objects.values_list("state", "holds_seat"))
    assert states == {
        ("expired", False),
        ("cancelled", False),
        ("active", False),
        ("active", True),
    }
    assert list(check_books()) == []
