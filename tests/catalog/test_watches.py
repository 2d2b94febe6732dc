"""Back in stock: told once, to those who asked."""

import pytest

from catalog import watches
from catalog.models import StockWatch
from catalog.services import restock
from catalog.watches import tell_watchers
from notifications.models import Notification
from tests.factories import CustomerFactory, PlanFactory

pytestmark = pytest.mark.django_db


def test_asked_from_the_page_told_once_when_it_is_back(customer, client_for):
    plan = PlanFactory(stock=0)
    client = client_for(customer)
    address = plan.get_absolute_url()
    assert "Tell me when it is back" in client.get(address).content.decode()
    for _unused in range(2):
        page = client.post(f"{address}watch/", follow=True).content.decode()
    assert "We tell you when it is there again." in page
    assert StockWatch.objects.count() == 1
    tell_watchers()
    assert Notification.objects.count() == 0
    restock(plan=plan, delta=3, note="", actor=None, key="more")
    tell_watchers()
    tell_watchers()
    notice = Notification.objects.get()
    assert (notice.user_id, notice.link) == (customer.pk, address)
    assert notice.title == f"{plan.platform.name} Premium is back in stock"
    assert StockWatch.objects.count() == 0


def test_who_thinks_better_of_it_is_not_told(customer, client_for):
    plan = PlanFactory(stock=0)
    client = client_for(customer)
    client.post(f"{plan.get_absolute_url()}watch/")
    client.post(f"{plan.get_absolute_url()}watch/", {"off": "1"})
    restock(plan=plan, delta=3, note="", actor=None, key="more")
    tell_watchers()
    assert (Notification.objects.count(), StockWatch.objects.count()) == (0, 0)


def test_a_plan_in_stock_takes_no_watch(customer, client_for):
    plan = PlanFactory(stock=1)
    page = client_for(customer).post(f"{plan.get_absolute_url()}watch/", follow=True)
    assert "This plan is in stock now." in page.content.decode()
    assert StockWatch.objects.count() == 0


def test_many_are_told_in_batches_and_a_plan_off_sale_tells_nobody(monkeypatch):
    monkeypatch.setattr(watches, "BATCH", 2)
    plan, hidden = PlanFactory(stock=1), PlanFactory(stock=1, is_active=False)
    for _unused in range(5):
        StockWatch.objects.create(user=CustomerFactory(), plan=plan)
    StockWatch.objects.create(user=CustomerFactory(), plan=hidden)
    tell_watchers()
    assert Notification.objects.count() == 5
    assert StockWatch.objects.get().plan_id == hidden.pk


def test_a_listener_that_fails_keeps_the_wish(customer, monkeypatch):
    StockWatch.objects.create(user=customer, plan=PlanFactory(stock=1))
    monkeypatch.setattr(Notification.objects, "bulk_create", lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tell_watchers()
    assert StockWatch.objects.count() == 1


def test_a_plan_whose_watchers_cannot_be_told_does_not_hold_up_the_next(monkeypatch):
    plans = [PlanFactory(stock=1), PlanFactory(stock=1)]
    for plan in plans:
        StockWatch.objects.create(user=CustomerFactory(), plan=plan)
    real, failed = watches._tell_some, []

    def fragile(plan):
        if not failed or plan == failed[0]:
            failed.append(plan)
            raise LookupError("broken")
        return real(plan)

    monkeypatch.setattr(watches, "_tell_some", fragile)
    with pytest.raises(LookupError):
        tell_watchers()
    assert Notification.objects.count() == 1
    assert StockWatch.objects.get().plan == failed[0]
