"""Plans: prices with a history, stock that buyers and operators change at once, copies."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from catalog.books import check_stock
from catalog.models import Plan, Platform, StockMovement
from catalog.services import restock, set_plan_active
from console.figures import close_days
from ottsonly.models import AuditEvent
from tests.console.test_lists import copies
from tests.factories import (
    AdminFactory,
    CustomerFactory,
    PlanFactory,
    PlatformFactory,
    buy,
    give_money,
)
from tests.rival import rival_before

pytestmark = pytest.mark.django_db
LIST = reverse("admin:catalog_plan_changelist")


def form_of(console, plan):
    page = console.get(reverse("admin:catalog_plan_change", args=[plan.pk]))
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in data.items() if value not in (None, False)}


def test_a_price_is_edited_in_rupees_and_leaves_before_and_after(console, admin_user):
    plan = PlanFactory(stock=7)
    address = reverse("admin:catalog_plan_change", args=[plan.pk])
    answer = console.post(address, {**form_of(console, plan), "price": "249.50", "is_active": "on"})
    assert answer.status_code == 302
    plan.refresh_from_db()
    assert (plan.price_paise, plan.stock) == (249_50, 7)
    event = AuditEvent.objects.get(action="plan.change")
    assert (event.actor_id, event.before, event.after) == (
        admin_user.pk,
        {"price_paise": 199_00},
        {"price_paise": 249_50},
    )
    assert "plan.change" in console.get(address).content.decode()


def test_saving_a_form_that_was_open_while_somebody_bought_keeps_the_stock(console, customer):
    plan = PlanFactory(stock=2)
    data = form_of(console, plan)
    give_money(customer, 500_00)
    buy(customer, plan)
    console.post(reverse("admin:catalog_plan_change", args=[plan.pk]), {**data, "name": "New"})
    plan.refresh_from_db()
    assert (plan.name, plan.stock) == ("New", 1)
    assert sum(StockMovement.objects.values_list("delta", flat=True)) == 1


def test_a_form_that_was_open_while_somebody_changed_the_plan_reverts_nothing(
    console, console_for, command
):
    plan = PlanFactory()
    address = reverse("admin:catalog_plan_change", args=[plan.pk])
    stale = form_of(console, plan)
    other = console_for(AdminFactory())
    command(other, reverse("admin:catalog_plan_deactivate", args=[plan.pk]))
    assert other.post(address, {**form_of(other, plan), "price": "249"}).status_code == 302
    events = AuditEvent.objects.count()
    answer = console.post(address, {**stale, "description": "Mine"})
    assert answer.status_code == 200
    assert "Somebody else changed this" in answer.content.decode()
    assert answer.context["adminform"].form["description"].value() == "Mine"
    plan.refresh_from_db()
    assert (plan.is_active, plan.price_paise, plan.description) == (False, 249_00, "")
    assert AuditEvent.objects.count() == events
    # Without what was seen it is a form of nobody.
    bare = {name: value for name, value in form_of(console, plan).items() if name != "seen"}
    assert console.post(address, bare).status_code == 200
    assert console.post(address, {**form_of(console, plan), "description": "Mine"}).url == LIST
    plan.refresh_from_db()
    assert (plan.is_active, plan.price_paise, plan.description) == (False, 249_00, "Mine")


def test_a_platforms_form_reverts_nothing_either(console):
    platform = PlatformFactory()
    address = reverse("admin:catalog_platform_change", args=[platform.pk])
    form = console.get(address).context["adminform"].form
    stale = {name: form[name].value() for name in form.fields}
    Platform.objects.update(tagline="Theirs")
    answer = console.post(address, {**stale, "name": "Mine"})
    assert "Somebody else changed this" in answer.content.decode()
    platform.refresh_from_db()
    assert (platform.name, platform.tagline) == (stale["name"], "Theirs")


def test_a_change_between_the_look_and_the_write_is_not_reverted(console, admin_user):
    plan = PlanFactory()
    data = form_of(console, plan)
    address = reverse("admin:catalog_plan_change", args=[plan.pk])

    def theirs():
        Plan.objects.filter(pk=plan.pk).update(price_paise=249_00)

    with rival_before("update", "products", theirs) as rival:
        answer = console.post(address, {**data, "description": "Mine"})
    assert (rival.results, answer.status_code, answer.url) == ([None], 302, address)
    plan.refresh_from_db()
    assert (plan.price_paise, plan.description) == (249_00, "")
    assert "Somebody else changed this" in console.get(address).content.decode()
    assert not AuditEvent.objects.filter(action="plan.change").exists()


def test_the_shelf_moves_alone_however_old_the_plan_in_hand(admin_user):
    plan = PlanFactory()

    def theirs():
        Plan.objects.filter(pk=plan.pk).update(price_paise=249_00)

    with rival_before("update", "products", theirs) as rival:
        set_plan_active(plan=plan, is_active=False, actor=admin_user)
    assert rival.results == [None]
    plan.refresh_from_db()
    assert (plan.is_active, plan.price_paise) == (False, 249_00)


def test_support_reads_a_plan_and_a_platform_without_a_form(support):
    plan = PlanFactory()
    for kind, document in (("plan", plan), ("platform", plan.platform)):
        address = reverse(f"admin:catalog_{kind}_change", args=[document.pk])
        answer = support.get(address)
        text = answer.content.decode()
        assert (answer.status_code, 'name="seen"' in text, 'name="price"' in text) == (
            200,
            False,
            False,
        )
        if kind == "plan":
            assert ("₹199<" in text, "₹299<" in text, "19900" in text) == (True, True, False)


def test_a_plans_page_leads_to_its_stock_and_its_prices(console, support):
    plan = PlanFactory(stock=7)
    address = reverse("admin:catalog_plan_change", args=[plan.pk])
    console.post(address, {**form_of(console, plan), "price": "249.50"})
    restock(plan=PlanFactory(stock=0), delta=1, note="other", actor=None, key="other")
    stock, prices, pool = support.get(address).context["document_links"]
    moves = support.get(stock.url).context["cl"].result_list
    assert [(move.plan_id, move.delta) for move in moves] == [(plan.pk, 7)]
    page = support.get(prices.url)
    assert [event.action for event in page.context["cl"].result_list] == [
        "plan.change",
        "plan.restock",
    ]
    assert "price: ₹249.50" in page.content.decode()
    assert support.get(pool.url).status_code == 200


@pytest.mark.parametrize("delta", ["99999999999999999999", "-99999999999999999999"])
def test_numbers_that_cannot_be_are_said_and_change_nothing(console, command, delta):
    plan = PlanFactory(stock=7)
    url = reverse("admin:catalog_plan_restock", args=[plan.pk])
    answer = command(console, url, delta=delta, note="x")
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["delta"])
    address = reverse("admin:catalog_plan_change", args=[plan.pk])
    answer = console.post(address, {**form_of(console, plan), "duration_days": "9" * 18})
    assert list(answer.context["adminform"].form.errors) == ["duration_days"]
    plan.refresh_from_db()
    assert (plan.stock, plan.duration_days) == (7, 30)


def test_restocking_and_buying_at_once_loses_no_unit(admin_user):
    plan = PlanFactory(stock=4)
    buyers = [CustomerFactory() for _unused in range(4)]
    for buyer in buyers:
        give_money(buyer, 500_00)
    start = threading.Barrier(8)
    problems = []

    def run(work):
        try:
            start.wait(timeout=60)
            work()
        except Exception as error:  # Looked at below.
            problems.append(error)
        finally:
            connection.close()

    works = [lambda buyer=buyer: buy(buyer, plan) for buyer in buyers]
    works += [
        lambda key=key: restock(plan=plan, delta=3, note="more", actor=admin_user, key=f"k{key}")
        for key in range(4)
    ]
    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert problems == []
    plan.refresh_from_db()
    # 4 + 4 * 3 - 4; a number written over the other would show here.
    assert plan.stock == 12
    assert sum(StockMovement.objects.values_list("delta", flat=True)) == 12


def test_a_copy_is_off_the_shelf_and_without_stock_and_made_once(console, command):
    plan = PlanFactory(stock=5)
    url = reverse("admin:catalog_plan_duplicate", args=[plan.pk])
    answer = command(console, url, name="Premium two", slug="premium-two")
    copy = Plan.objects.get(slug="premium-two")
    assert answer.headers["Location"] == reverse("admin:catalog_plan_change", args=[copy.pk])
    assert (copy.is_active, copy.stock, copy.price_paise) == (False, 0, plan.price_paise)
    again = command(console, url, name="Premium two", slug="premium-two")
    assert again.status_code == 409
    assert list(again.context["form"].errors) == ["slug"]
    assert Plan.objects.count() == 2


def test_a_plan_leaves_the_shelf_and_comes_back(console, command, client):
    plan = PlanFactory()
    for name, active in (("deactivate", False), ("activate", True)):
        url = reverse(f"admin:catalog_plan_{name}", args=[plan.pk])
        assert command(console, url).status_code == 302
        plan.refresh_from_db()
        assert plan.is_active is active
    actions = list(AuditEvent.objects.order_by("pk").values_list("before", "after"))[-2:]
    assert actions == [
        ({"is_active": True}, {"is_active": False}),
        ({"is_active": False}, {"is_active": True}),
    ]


def test_the_list_tells_pace_and_days_of_stock_left(console, customer):
    plan = PlanFactory(stock=21)
    idle = PlanFactory(stock=3)
    give_money(customer, 500_00)
    order = buy(customer, plan)
    now = timezone.now()
    copies(order, [now - timedelta(days=day) for day in range(1, 10)])
    copies(order, [now - timedelta(days=2)], kind="renewal")
    copies(order, [now - timedelta(days=40)])
    for _unused in range(2):
        rows = {row.pk: row for row in console.get(LIST).context["cl"].result_list}
        assert (rows[plan.pk].sold_lately, rows[idle.pk].sold_lately) == (10, 0)
        close_days()
    # 20 units at 10 in 30 days.
    assert "<td" in console.get(LIST).content.decode()
    assert ">60<" in "".join(console.get(LIST).content.decode().split())


def test_the_second_platform_of_a_slug_is_refused_at_the_field(console):
    platform = PlatformFactory()
    data = {"name": "Other", "slug": platform.slug, "hue": "coral", "mark": "play", "position": "1"}
    answer = console.post(reverse("admin:catalog_platform_add"), data)
    assert answer.status_code == 200
    assert list(answer.context["errors"])


def test_a_number_written_over_a_sale_is_what_the_books_would_find(customer):
    plan = PlanFactory(stock=2)
    give_money(customer, 500_00)
    assert list(check_stock()) == []
    buy(customer, plan)
    # What a form that writes the number it showed, plus three, would do.
    Plan.objects.filter(pk=plan.pk).update(stock=plan.stock + 3)
    StockMovement.objects.create(plan=plan, delta=3, reason="restock", key="over")
    assert [finding.document for finding in check_stock()] == [f"plan {plan.pk}"]
