"""Razorpay's books against ours: lost news is found, and what nobody explains has a name."""

from datetime import timedelta
from io import StringIO

import pytest
import razorpay as sdk
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from orders.books import check_books
from ottsonly.models import AuditEvent
from telegram_alerts.models import Alert
from tests.factories import AdminFactory, CustomerFactory, SupportFactory
from wallet import reconciliation
from wallet.errors import ItemRefused
from wallet.models import OpenItem, Recharge, WalletTransaction
from wallet.open_items import close_open_item
from wallet.recharges import start_recharge
from wallet.reconciliation import expire_old, reconcile, reconcile_pending, reconcile_recent
from wallet.services import balance_of
from wallet.source_refunds import request_source_refund

pytestmark = pytest.mark.django_db(transaction=True)


def _let_pass(time=timedelta(minutes=3)):
    Recharge.objects.update(
        created_at=timezone.now() - time, next_check_at=timezone.now() - timedelta(seconds=1)
    )


def _report():
    return reconcile(since=timezone.now() - timedelta(hours=1))


def _items():
    rows = OpenItem.objects.order_by("created_at")
    return list(rows.values_list("kind", "reference", "amount_paise", "state"))


def _paid(razorpay, recharge, outcome="success", **more):
    return razorpay.pay(recharge.razorpay_order_id, outcome, webhook=False, **more)["payment_id"]


@pytest.mark.parametrize("outcome", ["success", "authorized"])
def test_a_lost_web_hook_is_recovered(razorpay, recharge, outcome):
    _paid(razorpay, recharge, outcome)
    assert reconcile_pending() == 0
    _let_pass()
    assert reconcile_pending() == 1
    recharge.refresh_from_db()
    assert (recharge.state, recharge.source) == ("completed", "reconciliation")
    assert balance_of(recharge.user_id) == 500_00
    _let_pass()
    assert reconcile_pending() == 0
    assert WalletTransaction.objects.count() == 1


def test_a_failed_one_that_was_paid_after_all_is_recovered(razorpay, recharge, send_hook):
    send_hook(recharge, kind="payment.failed", payment_id="pay_0")
    _paid(razorpay, recharge)
    _let_pass()
    assert reconcile_pending() == 1
    assert balance_of(recharge.user_id) == 500_00


def test_an_unpaid_one_is_asked_about_at_growing_distances(razorpay, recharge):
    pauses = []
    for _unused in range(7):
        _let_pass()
        assert reconcile_pending() == 0
        recharge.refresh_from_db()
        pauses.append(round((recharge.next_check_at - timezone.now()).total_seconds() / 60))
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    assert (recharge.state, recharge.checks) == ("pending", 7)
    Recharge.objects.update(checks=5000)
    _let_pass()
    assert reconcile_pending() == 0
    assert Recharge.objects.get().checks == 5001


def test_paid_and_expired_are_told_apart(razorpay, customer):
    paid, unpaid, without = (
        start_recharge(user=customer, amount_paise=500_00, key=key) for key in "abc"
    )
    Recharge.objects.filter(pk=without.pk).update(razorpay_order_id=None)
    _paid(razorpay, paid)
    _let_pass(timedelta(hours=25))
    assert expire_old() == 2
    assert balance_of(customer.pk) == 500_00
    states = {recharge.pk: recharge.state for recharge in Recharge.objects.all()}
    assert states == {paid.pk: "completed", unpaid.pk: "expired", without.pk: "expired"}


def test_nothing_expires_while_razorpay_does_not_answer(razorpay, recharge):
    _paid(razorpay, recharge)
    _let_pass(timedelta(hours=25))
    razorpay.fault("500", count=3)
    assert expire_old() == 0
    recharge.refresh_from_db()
    assert recharge.state == "pending"
    _let_pass(timedelta(hours=25))
    assert expire_old() == 0
    assert balance_of(recharge.user_id) == 500_00


def test_of_two_workers_one_asks(razorpay, recharge):
    _let_pass()
    stale = Recharge.objects.get(pk=recharge.pk)
    assert reconcile_pending() == 0
    # The other read the list before: its claim is refused.
    claimed = Recharge.objects.filter(pk=stale.pk, checks=stale.checks).update(checks=9)
    assert claimed == 0


def test_without_keys_nothing_is_asked(recharge, settings):
    _let_pass()
    settings.RAZORPAY_KEY_ID = ""
    assert [reconcile_pending(), expire_old(), reconcile_recent()] == [0, 0, 0]
    with pytest.raises(CommandError, match="RAZORPAY_KEY_ID is not set"):
        call_command("reconcile_payments", since="2026-01-01")


def test_a_payment_of_another_amount_is_an_item_and_no_credit(razorpay, recharge):
    payment_id = _paid(razorpay, recharge, amount=100_00)
    _let_pass()
    assert reconcile_pending() == 0
    assert balance_of(recharge.user_id) == 0
    assert _items() == [("other_amount", payment_id, 100_00, "open")]
    assert _report().difference_paise == 0


def test_an_authorised_payment_of_another_amount_is_not_captured(razorpay, recharge):
    _paid(razorpay, recharge, "authorized", amount=100_00)
    _let_pass()
    assert reconcile_pending() == 0
    assert razorpay.control("state")["payments"][0]["status"] == "authorized"
    assert _items() == []


def test_a_second_authorised_payment_is_not_captured(razorpay, recharge):
    _paid(razorpay, recharge, "authorized")
    first = _paid(razorpay, recharge)
    _let_pass()
    assert reconcile_pending() == 1
    report = _report()
    recharge.refresh_from_db()
    assert recharge.payment_id == first
    assert [p["status"] for p in razorpay.control("state")["payments"]] == [
        "authorized",
        "captured",
    ]
    assert (report.difference_paise, _items()) == (0, [])


def test_a_payment_without_a_top_up_is_an_item_and_an_alert(razorpay):
    client = sdk.Client(auth=(razorpay.key_id, razorpay.key_secret), base_url=razorpay.base_url)
    order = client.order.create({"amount": 700_00, "currency": "INR"})
    payment_id = razorpay.pay(order["id"], webhook=False)["payment_id"]
    for _unused in range(2):
        report = _report()
    assert (report.captured_paise, report.credited_paise, report.items_paise) == (700_00, 0, 700_00)
    assert report.difference_paise == 0
    assert _items() == [("no_recharge", payment_id, 700_00, "open")]
    alert = Alert.objects.get(kind="money")
    assert payment_id in alert.text
    assert "Payment without a top-up" in alert.text


def test_what_was_lost_days_ago_is_found_for_a_week(razorpay, recharge):
    payment_id = _paid(razorpay, recharge)
    Recharge.objects.update(state="expired", next_check_at=None)
    for days, found in ((8, False), (5, True)):
        with time_machine.travel(timezone.now() + timedelta(days=days)):
            assert reconcile_recent() == 0
        recharge.refresh_from_db()
        assert (recharge.state == "completed") is found
    assert (recharge.payment_id, balance_of(recharge.user_id)) == (payment_id, 500_00)


def test_a_run_without_time_reports_no_part_and_the_next_goes_on(razorpay, customer, monkeypatch):
    for number in range(3):
        recharge = start_recharge(user=customer, amount_paise=100_00, key=str(number))
        _paid(razorpay, recharge)
    Recharge.objects.update(next_check_at=None)
    # One for the day, three for the payments read, and one for the first that is credited.
    answers = iter([True] * 5)
    monkeypatch.setattr(reconciliation, "may_continue", lambda: next(answers, False))
    # Not even today fits into a run: the job fails, which people are told of.
    with pytest.raises(reconciliation.TooMuchForOneRun):
        reconcile_recent()
    assert balance_of(customer.pk) == 100_00
    # A worker that is told to end is no failure.
    begun = iter([True])
    monkeypatch.setattr(reconciliation, "may_continue", lambda: next(begun, False))
    monkeypatch.setattr(reconciliation, "stopping", lambda: True)
    assert reconcile_recent() == 0
    monkeypatch.undo()
    assert reconcile_recent() == 0
    assert balance_of(customer.pk) == 300_00
    assert list(check_books()) == []


def test_with_time_for_a_day_only_each_day_has_its_turn(razorpay, monkeypatch):
    now = timezone.now()
    looked = []

    def note(*, since, until):
        looked.append((timezone.localdate() - timezone.localdate(until)).days)
        assert timezone.localdate(since) == timezone.localdate(until)
        return reconciliation.Report(since=since, until=until)

    monkeypatch.setattr(reconciliation, "reconcile", note)
    for run in range(7):
        answers = iter([True, True])
        monkeypatch.setattr(reconciliation, "may_continue", lambda a=answers: next(a, False))
        with time_machine.travel(now + run * timedelta(minutes=15), tick=False):
            reconcile_recent()
    assert looked[::2] == [0] * 7
    assert sorted(looked[1::2]) == [1, 2, 3, 4, 5, 6, 7]


def test_a_day_whose_books_differ_is_told_once_for_each_difference(razorpay, recharge):
    _paid(razorpay, recharge)
    assert (reconcile_recent(), Alert.objects.filter(kind="money").count()) == (0, 0)
    now = timezone.now()
    day = timezone.localdate(now)
    entry = {"amount_paise": 499_99}
    connection.database["wallet_transactions"].update_one({}, {"$set": entry})
    # The same difference later, also when the day is over, is no further item.
    for later in (timedelta(), timedelta(minutes=15), timedelta(days=2)):
        with time_machine.travel(now + later):
            assert reconcile_recent() == 1
    assert _items() == [("difference", f"{day}/1", 1, "open")]
    text = Alert.objects.get(kind="money").text
    assert "Our books of a day differ from Razorpay&#x27;s" in text
    assert f"reconcile_payments --since {day} --until {day}" in text
    close_open_item(item=OpenItem.objects.get(), note="asked Razorpay", actor=AdminFactory())
    assert reconcile_recent() == 1
    assert _items() == [("difference", f"{day}/1", 1, "closed")]
    connection.database["wallet_transactions"].update_one({}, {"$set": {"amount_paise": 510_00}})
    assert reconcile_recent() == -10_00
    assert _items()[1:] == [("difference", f"{day}/-1000", -10_00, "open")]


def test_a_second_payment_is_an_item_and_never_credited(razorpay, recharge):
    first, second = _paid(razorpay, recharge), _paid(razorpay, recharge)
    _let_pass()
    assert reconcile_pending() == 1
    report = _report()
    assert balance_of(recharge.user_id) == 500_00
    assert _items() == [("second_payment", second, 500_00, "open")]
    recharge.refresh_from_db()
    assert recharge.payment_id == first
    assert (report.captured_paise, report.credited_paise) == (1000_00, 500_00)
    assert report.difference_paise == 0
    assert Alert.objects.filter(kind="money").count() == 1


def test_what_was_given_back_by_hand_cancels_out(razorpay, recharge):
    _paid(razorpay, recharge)
    second = _paid(razorpay, recharge)
    client = sdk.Client(auth=(razorpay.key_id, razorpay.key_secret), base_url=razorpay.base_url)
    refund = client.payment.refund(second, {"amount": 500_00})
    report = _report()
    assert report.difference_paise == 0
    assert sorted(_items()) == [
        ("foreign_refund", refund["id"], -500_00, "open"),
        ("second_payment", second, 500_00, "open"),
    ]
    assert report.captured_paise - report.refunded_paise == 500_00 == balance_of(recharge.user_id)


def test_a_credit_that_razorpay_does_not_know_is_named(razorpay, recharge, send_hook):
    assert send_hook(recharge, payment_id="pay_invented") == 204
    report = _report()
    assert _items() == [("not_at_razorpay", str(recharge.pk), -500_00, "open")]
    assert (report.captured_paise, report.credited_paise, report.difference_paise) == (
        0,
        500_00,
        0,
    )


def test_an_earlier_payment_credited_now_is_no_finding(razorpay, recharge):
    _paid(razorpay, recharge)
    _let_pass()
    assert reconcile_pending() == 1
    report = reconcile(since=timezone.now() + timedelta(seconds=2), until=timezone.now())
    assert (report.captured_paise, report.items) == (0, [])


def test_a_credit_of_a_wrong_amount_is_a_difference(razorpay, recharge):
    _paid(razorpay, recharge)
    assert _report().recovered == [f"top-up {recharge.pk} by {Recharge.objects.get().payment_id}"]
    connection.database["wallet_transactions"].update_one({}, {"$set": {"amount_paise": 499_99}})
    assert _report().difference_paise == 1
    output = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("reconcile_payments", since="2020-01-01", stdout=output)
    assert end.value.code == 1


def test_the_report_agrees_to_the_paisa(razorpay, customer):
    admin = AdminFactory()
    for number, amount in enumerate((123_45, 500_00, 9999_99)):
        recharge = start_recharge(user=customer, amount_paise=amount, key=str(number))
        _paid(razorpay, recharge)
    assert _report().difference_paise == 0
    request_source_refund(
        recharge=Recharge.objects.get(key="1"),
        amount_paise=200_01,
        reason="asked",
        actor=admin,
        key="form",
    )
    lost = start_recharge(user=customer, amount_paise=100_00, key="lost")
    _paid(razorpay, lost)
    second = _paid(razorpay, lost)
    payments = razorpay.control("state")["payments"]
    output = StringIO()
    call_command("reconcile_payments", since=str(timezone.now().year) + "-01-01", stdout=output)
    lines = {
        line[:76].strip(): line[76:].strip() for line in output.getvalue().splitlines() if line
    }
    assert lines["captured at Razorpay"] == "₹10,823.44"
    assert lines["- refunded at source"] == "−₹200.01"
    assert lines["top-ups credited"] == "₹10,723.44"
    assert lines["- source refunds processed"] == "−₹200.01"
    assert lines[f"+ Second payment on one top-up {second} (open)"] == "₹100"
    assert lines["difference"] == "₹0"
    fees = sum(payment["fee"] for payment in payments)
    assert _report().settlement_paise == 10_823_44 - 200_01 - fees
    assert list(check_books()) == []


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01"])
def test_a_day_that_is_none_is_refused(razorpay, since):
    with pytest.raises(CommandError, match="is no day"):
        call_command("reconcile_payments", since=since)


def test_when_razorpay_is_silent_the_command_says_so(razorpay):
    razorpay.fault("500", count=3)
    with pytest.raises(CommandError, match="Razorpay does not answer"):
        call_command("reconcile_payments", since="2026-01-01")


def test_an_item_is_closed_by_an_operator_with_a_note_once(razorpay, recharge):
    _paid(razorpay, recharge)
    _paid(razorpay, recharge)
    _report()
    item, admin = OpenItem.objects.get(), AdminFactory()
    for actor, note in ((SupportFactory(), "x"), (CustomerFactory(), "x"), (admin, " ")):
        with pytest.raises(ItemRefused):
            close_open_item(item=item, note=note, actor=actor)
    assert _items()[0][3] == "open"
    close_open_item(item=item, note="refunded in the dashboard", actor=admin)
    with pytest.raises(ItemRefused, match="closed already"):
        close_open_item(item=item, note="again", actor=admin)
    item.refresh_from_db()
    assert (item.state, item.note, item.closed_by_id) == (
        "closed",
        "refunded in the dashboard",
        admin.pk,
    )
    assert AuditEvent.objects.filter(action="wallet.close_item").count() == 1
    # It still stands between the two books.
    assert _report().difference_paise == 0
    assert list(check_books()) == []
    connection.database["wallet_open_items"].update_one({}, {"$set": {"note": ""}})
    assert [finding.document for finding in check_books()] == [f"open item {item.pk}"]
