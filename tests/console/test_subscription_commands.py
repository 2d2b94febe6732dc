"""What operators do to subscriptions and to what customers report, through the pages."""

from datetime import timedelta

import pytest
from django.urls import reverse

from console.hands import lines
from orders.books import check_books
from orders.models import Order, Refund
from subscriptions.models import Credential, Extension, ProblemReport, Subscription
from subscriptions.problems import report_problem
from tests.factories import PlanFactory, add_account, buy, give_money
from wallet.services import balance_of

pytestmark = pytest.mark.django_db


def address(document, command=""):
    name = document._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{name}_{command or 'change'}", args=[document.pk])


@pytest.fixture
def buyer(customer):
    give_money(customer, 1000_00)
    return customer


@pytest.fixture
def running(buyer):
    plan = PlanFactory()
    add_account(plan, login="old@example.com")
    return buy(buyer, plan).subscription


@pytest.fixture
def report(running, buyer):
    return report_problem(subscription=running, user=buyer, category="refused", text="No")


def stored(subscription):
    return Subscription.objects.select_related("credential").get(pk=subscription.pk)


def labels(client, document):
    return [button.text for button in client.get(address(document)).context["document_buttons"]]


def test_what_is_offered_depends_on_where_it_stands(console, support, running, buyer):
    assert labels(console, running) == ["Replace the login", "Give days", "Cancel"]
    waiting = buy(buyer, PlanFactory(delivery="manual")).subscription
    assert labels(console, waiting) == ["Deliver", "Give days", "Cancel"]
    Subscription.objects.filter(pk=running.pk).update(state="expired")
    assert labels(console, running) == []
    assert labels(support, waiting) == []


@pytest.mark.parametrize("way", ["pool", "chosen", "typed"])
def test_a_waiting_subscription_is_delivered_in_three_ways(console, command, buyer, way):
    plan = PlanFactory(delivery="manual")
    waiting = buy(buyer, plan).subscription
    oldest, other = add_account(plan), add_account(plan)
    fields = {
        "pool": {},
        "chosen": {"account": str(other.pk)},
        "typed": {"login": "typed@example.com", "password": "p"},
    }[way]
    for _unused in range(2):
        command(console, address(waiting, "assign"), **fields)
    held = stored(waiting).credential
    assert held.pk == {"pool": oldest.pk, "chosen": other.pk}.get(way, held.pk)
    assert held.login == ("typed@example.com" if way == "typed" else held.login)
    assert sum(Credential.objects.values_list("seats_used", flat=True)) == 1
    assert list(check_books()) == []


def test_a_half_typed_account_is_refused_at_the_field(console, command, buyer):
    waiting = buy(buyer, PlanFactory(delivery="manual")).subscription
    answer = command(console, address(waiting, "assign"), login="typed@example.com")
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == ["password"]
    assert stored(waiting).delivered_at is None


def test_the_same_form_twice_replaces_once(console, running):
    spares = [add_account(running.plan) for _unused in range(2)]
    url = address(running, "replace")
    page = console.get(url)
    data = {
        "command_key": page.context["key"],
        "reason": "broken",
        "burn": "on",
        "seen": page.context["form"].initial["seen"],
    }
    assert [console.post(url, data).status_code for _unused in range(2)] == [302, 409]
    assert stored(running).credential_id == spares[0].pk
    assert sorted(Credential.objects.values_list("state", "seats_used")) == [
        ("available", 0),
        ("full", 1),
        ("retired", 0),
    ]
    assert list(check_books()) == []


def test_days_are_given_once(console, running):
    url = address(running, "extend")
    data = {"command_key": console.get(url).context["key"], "days": "3", "reason": "late"}
    for _unused in range(2):
        assert console.post(url, data).status_code == 302
    assert Extension.objects.get().days == 3
    assert stored(running).ends_at == running.ends_at + timedelta(days=3)


def test_cancelling_proposes_an_amount_for_each_order_and_asks_again(console, command, running):
    order = running.orders.get()
    url = address(running, "cancel")
    page = console.get(url)
    name = f"order_{order.pk}"
    # Not a day of thirty is used: all but the seconds since.
    assert 198_00 < page.context["form"].initial[name] <= 199_00
    asked = command(console, url, confirm=False, reason="asked", **{name: "50"})
    assert "₹50 goes back into the wallet" in asked.content.decode()
    above = command(console, url, confirm=False, reason="asked", **{name: "199.01"})
    assert (above.status_code, list(above.context["form"].errors)) == (409, ["__all__"])
    assert Refund.objects.count() == 0
    data = {"command_key": page.context["key"], "reason": "asked", name: "50", "confirmed": "1"}
    assert [console.post(url, data).status_code for _unused in range(2)] == [302, 409]
    assert (stored(running).state, balance_of(running.user_id)) == ("cancelled", 851_00)
    assert list(check_books()) == []


def test_cancelling_without_a_refund(console, command, running):
    assert command(console, address(running, "cancel"), reason="misuse").status_code == 302
    assert (stored(running).state, Refund.objects.count()) == ("cancelled", 0)


def test_an_invitation_is_done_undone_and_done_again(console, command, buyer):
    plan = PlanFactory(delivery="customer_email")
    invited = buy(buyer, plan, customer_email="asha@example.com").subscription
    assert command(console, address(invited, "assign")).status_code == 302
    assert labels(console, invited) == ["Give days", "Invitation was not sent", "Cancel"]
    command(console, address(invited, "undo_invitation"), note="typo")
    hands = reverse("admin:subscriptions_subscription_changelist") + "?hands=invite"
    assert [row.pk for row in console.get(hands).context["cl"].result_list] == [invited.pk]
    assert labels(console, invited) == ["Give days", "Invitation was sent", "Cancel"]
    command(console, address(invited, "send_invitation"), note="sent")
    assert Extension.objects.get().days == 1
    assert stored(invited).is_invited
    trace = console.get(address(invited)).context["document_trace"]
    assert {"note": "typo"} in [event.after for event in trace]
    assert list(check_books()) == []


def test_the_queue_shows_open_reports_the_oldest_first_however_old(console, report, buyer):
    other = buy(buyer, report.subscription.plan).subscription
    add_account(report.subscription.plan)
    from orders.services import deliver_waiting_orders

    deliver_waiting_orders()
    newer = report_problem(subscription=stored(other), user=buyer, category="other")
    ProblemReport.objects.filter(pk=report.pk).update(
        created_at=report.created_at - timedelta(days=400)
    )
    queue = reverse("admin:subscriptions_problemreport_changelist") + "?state__exact=open"
    rows = console.get(queue).context["cl"].result_list
    assert [row.pk for row in rows] == [report.pk, newer.pk]


def test_reports_and_lost_logins_are_what_needs_hands(admin_user, report):
    Subscription.objects.update(holds_seat=False, seat_lost_at=report.created_at)
    found = {line.work.name: line for line in lines(admin_user) if line.count}
    assert {"problems.open", "subscriptions.login"} <= set(found)
    assert found["problems.open"].oldest == report.created_at


def test_a_report_is_answered_by_a_new_login_once(console, command, report, running):
    new = add_account(running.plan)
    assert labels(console, report) == ["Replace the login", "Give days", "Refund", "Answer"]
    for status in (302, 409):
        answer = command(console, address(report, "replace"), burn="on", answer="A new one")
        assert answer.status_code == status
    assert stored(running).credential_id == new.pk
    report.refresh_from_db()
    assert (report.outcome, report.answer) == ("replaced", "A new one")
    assert labels(console, report) == []
    assert Credential.objects.get(pk=running.credential_id).state == "retired"


def test_a_report_is_answered_by_money_after_a_second_look(console, command, report, running):
    order = Order.objects.get()
    url = address(report, "refund")
    fields = {"order": str(order.pk), "amount": "20", "answer": "Sorry"}
    asked = command(console, url, confirm=False, **fields)
    assert "the subscription runs on" in asked.content.decode()
    # All that was paid ends the order, whether its box is ticked or not.
    whole = command(console, url, confirm=False, **{**fields, "amount": "199"})
    assert "the seat is free again" in whole.content.decode()
    assert balance_of(running.user_id) == 801_00
    assert command(console, url, **fields).status_code == 302
    assert balance_of(running.user_id) == 821_00
    report.refresh_from_db()
    assert (report.state, report.outcome) == ("answered", "refunded")
    above = report_problem(subscription=stored(running), user=running.user, category="other")
    too_much = {**fields, "amount": "179.01"}
    for confirm in (False, True):
        refused = command(console, address(above, "refund"), confirm=confirm, **too_much)
        assert (refused.status_code, list(refused.context["form"].errors)) == (409, ["amount"])
    above.refresh_from_db()
    assert above.is_open


def test_a_report_is_answered_by_days_or_by_words(console, command, report, running):
    command(console, address(report, "extend"), days="2", answer="Sorry")
    assert Extension.objects.get().days == 2
    again = report_problem(subscription=stored(running), user=running.user, category="other")
    command(console, address(again, "answer"), answer="Restart the app")
    again.refresh_from_db()
    assert (again.outcome, again.answer) == ("answered", "Restart the app")
