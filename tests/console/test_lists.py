"""Lists: a window of time by an index, pages that meet, a constant number of commands."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from bson import ObjectId
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from catalog.services import restock
from orders.models import Order
from ottsonly.admin import WindowedAdmin
from ottsonly.models import AuditEvent
from ottsonly.related import attach_related
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db
ORDERS = reverse("admin:orders_order_changelist")
TRACE = reverse("admin:ottsonly_auditevent_changelist")


@pytest.fixture
def sold(customer):
    plan = PlanFactory(stock=1)
    add_account(plan)
    give_money(customer, 1000_00)
    return buy(customer, plan)


def copies(order, moments, **changes):
    """Write copies of an order, raw, each at its moment; return their keys."""
    collection = connection.database["orders"]
    (document,) = collection.find({"_id": order.pk})
    rows = []
    for number, moment in enumerate(moments):
        key = ObjectId()
        naive = moment.astimezone(UTC).replace(tzinfo=None)
        rows.append(
            {
                **document,
                **changes,
                "_id": key,
                "number": str(key)[-9:] + str(number)[:3],
                "key": str(key),
                "created_at": naive,
            }
        )
    collection.insert_many(rows)
    return [row["_id"] for row in rows]


def shown(client, address):
    """Return the keys on a page and the address of the next."""
    page = client.get(address)
    assert page.status_code == 200
    cl = page.context["cl"]
    return [row.pk for row in cl.result_list], cl.next_url


def walk(client, address, most=30):
    seen, url = [], address
    for _unused in range(most):
        keys, following = shown(client, url)
        seen += keys
        if not following:
            return seen
        url = f"{address.split('?')[0]}{following}"
    raise AssertionError("the pages do not end")


def test_pages_meet_without_gap_or_double_also_within_one_moment(console, sold, monkeypatch):
    monkeypatch.setattr(admin.site._registry[Order], "list_per_page", 4)
    now = timezone.now()
    same = now - timedelta(hours=5)
    moments = [now - timedelta(hours=hours) for hours in range(1, 5)] + [same] * 11
    moments += [now - timedelta(days=days) for days in (6, 8, 20, 100, 800)]
    made = copies(sold, moments)
    seen = walk(console, ORDERS)
    assert sorted(seen) == sorted([*made, sold.pk])
    assert len(seen) == len(set(seen))
    order = list(Order.objects.order_by("-created_at", "-pk").values_list("pk", flat=True))
    assert seen == order


def test_the_list_opens_on_a_window_and_says_how_to_look_further(console, sold):
    (old,) = copies(sold, [timezone.now() - timedelta(days=10)])
    page = console.get(ORDERS)
    assert [row.pk for row in page.context["cl"].result_list] == [sold.pk]
    assert "Look further back" in page.content.decode()
    assert shown(console, f"{ORDERS}?days=30")[0] == [sold.pk, old]


def test_what_waits_is_shown_however_old_and_the_oldest_first(console, sold):
    now = timezone.now()
    old, older = copies(
        sold, [now - timedelta(days=40), now - timedelta(days=90)], state="paid", delivery="manual"
    )
    assert shown(console, f"{ORDERS}?waiting=seat") == ([older, old], "")
    assert shown(console, f"{ORDERS}?state__exact=paid") == ([older, old], "")
    assert shown(console, f"{ORDERS}?waiting=email") == ([], "")


def test_one_day_is_a_day_of_india(console, sold):
    inside, before, after = copies(
        sold,
        [
            datetime(2026, 3, 9, 18, 30, tzinfo=UTC),
            datetime(2026, 3, 9, 18, 29, tzinfo=UTC),
            datetime(2026, 3, 10, 18, 30, tzinfo=UTC),
        ],
    )
    assert shown(console, f"{ORDERS}?day=2026-03-10") == ([inside], "")
    assert before != after
    assert console.get(f"{ORDERS}?day=2026-13-40").status_code == 200


@pytest.mark.parametrize("cursor", ["x", "9" * 30, "-5", "123.xyz", "1.5", "²"])
def test_a_cursor_that_is_none_shows_the_first_page(console, sold, cursor):
    assert console.get(ORDERS, {"from": cursor}).status_code == 200


def test_no_address_of_a_list_breaks_it(console, sold):
    for query in ("day=0001-01-01", "day=9999-12-31", "q=%00", "q=nobody", "user__id__exact=x"):
        answer = console.get(f"{ORDERS}?{query}", follow=True)
        assert (query, answer.status_code) == (query, 200)
    # Refused with the list as it opens.
    answer = console.get(f"{ORDERS}?created_at__gte=0001-01-01T00:00:00%2B05:30")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{ORDERS}?e=1")
    # A list without a search box is not searched by its address.
    accounts = reverse("admin:subscriptions_credential_changelist")
    assert len(shown(console, f"{accounts}?q=anything")[0]) == 1


@pytest.mark.parametrize(
    "query",
    ["", "?days=30", "?state__exact=completed", "?waiting=seat", "?platform_name=x", "?q={number}"],
)
def test_every_order_list_is_a_range_of_an_index(console, sold, query, admin_user):
    request = RequestFactory().get(ORDERS + query.format(number=sold.number))
    request.user = admin_user
    cl = admin.site._registry[Order].get_changelist_instance(request)
    plan = cl.queryset[:51].explain()
    assert '"IXSCAN"' in plan
    assert '"COLLSCAN"' not in plan


@pytest.mark.parametrize("text", ["{number}", "98765 43210", "+919876543210", "asha@example.com"])
def test_search_finds_by_number_phone_and_email_over_all_days(console, sold, text):
    person = CustomerFactory(phone="+919876543210", email="asha@example.com")
    (old,) = copies(sold, [timezone.now() - timedelta(days=700)], user_id=person.pk)
    wanted = sold.pk if "number" in text else old
    assert shown(console, f"{ORDERS}?q={text.format(number=sold.number).replace('+', '%2B')}") == (
        [wanted],
        "",
    )
    assert shown(console, f"{ORDERS}?q=nobody@example.com") == ([], "")


@pytest.mark.parametrize("count", [1, 30])
def test_a_list_costs_the_same_commands_for_one_row_and_for_thirty(console, sold, commands, count):
    copies(sold, [timezone.now()] * count)
    console.get(ORDERS)
    commands.clear()
    console.get(ORDERS)
    # Session, person, second factor; the platforms of the filter; the page and its customers.
    assert commands == [
        "aggregate sessions",
        "aggregate users",
        "aggregate totp_devices",
        "aggregate platforms",
        "aggregate orders",
        "aggregate users",
    ]


def test_every_list_by_time_opens_on_a_range_of_an_index(admin_user):
    looked_at = []
    for model, model_admin in admin.site._registry.items():
        if not isinstance(model_admin, WindowedAdmin):
            continue
        request = RequestFactory().get("/")
        request.user = admin_user
        plan = model_admin.get_changelist_instance(request).queryset[:51].explain()
        assert '"IXSCAN"' in plan, model
        assert '"COLLSCAN"' not in plan, model
        looked_at.append(model)
    assert len(looked_at) >= 12


def test_related_documents_of_a_page_are_asked_for_by_their_keys(sold, customer, commands):
    rows = list(Order.objects.all())
    commands.clear()
    attach_related(rows, ("user",))
    assert commands == ["aggregate users"]
    assert rows[0].user == customer
    assert commands == ["aggregate users"]
    plan = User.objects.filter(pk__in=[customer.pk]).explain()
    assert "$expr" not in plan


@pytest.mark.parametrize("text", ["97765 43210", "+91 97765-43210", "Meera@example.com", "{pk}"])
def test_the_trace_is_searched_by_who_did_it_over_all_days(console, support, text):
    meera = AdminFactory(phone="+919776543210", email="Meera@example.com")
    other = AdminFactory()
    plan = PlanFactory(stock=0)
    for number, actor in enumerate((meera, other, meera)):
        with time_machine.travel(timezone.now() - timedelta(days=100 * number), tick=False):
            restock(plan=plan, delta=1, note=str(number), actor=actor, key=str(number))
    address = f"{TRACE}?{urlencode({'q': text.format(pk=plan.pk)})}"
    found = [row.after["note"] for row in support.get(address).context["cl"].result_list]
    assert found == (["0", "1", "2"] if "pk" in text else ["0", "2"])
    assert shown(console, f"{TRACE}?q=nobody@example.com") == ([], "")
    # Of a number that nobody has, and of one that is none, there is nothing either.
    assert shown(console, f"{TRACE}?q=9876599999")[0] == []


@pytest.mark.parametrize("query", ["9776543210", "order.refund", "a" * 24])
def test_every_search_of_the_trace_is_read_along_an_index_in_its_order(admin_user, query):
    AdminFactory(phone="+919776543210")
    request = RequestFactory().get(TRACE, {"q": query})
    request.user = admin_user
    cl = admin.site._registry[AuditEvent].get_changelist_instance(request)
    plan = cl.queryset[:51].explain()
    assert "audit_" in plan and "audit_recent" not in plan and '"COLLSCAN"' not in plan


def test_a_list_without_a_search_takes_no_search_from_the_address(console):
    models = [
        model
        for model, shown in admin.site._registry.items()
        if isinstance(shown, WindowedAdmin) and not shown.search_fields
    ]
    assert models
    for model in models:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        page = console.get(url, {"q": "x"})
        assert page.status_code == 200
        # What is not searched is still looked at by its window of days.
        assert page.context["cl"].starts_at is not None
