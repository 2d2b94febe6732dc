"""Back to the source: the money is always in exactly one place."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from ottsonly.models import AuditEvent
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, SupportFactory, buy
from wallet.books import check_ledger, check_recharges, check_source_refunds
from wallet.errors import SourceRefundRefused
from wallet.models import OpenItem, Recharge, SourceRefund, WalletTransaction
from wallet.reconciliation import reconcile
from wallet.services import balance_of
from wallet.source_refunds import (
    request_source_refund,
    send_due_source_refunds,
    send_source_refund,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(razorpay, recharge, send_hook):
    """A top-up of ₹500 in the wallet, with its payment at Razorpay."""
    payment_id = razorpay.pay(recharge.razorpay_order_id, webhook=False)["payment_id"]
    assert send_hook(recharge, payment_id=payment_id) == 204
    recharge.refresh_from_db()
    return recharge


@pytest.fixture
def admin(db):
    return AdminFactory()


def _request(recharge, admin, amount=200_00, key="form"):
    return request_source_refund(
        recharge=recharge, amount_paise=amount, reason="asked for it", actor=admin, key=key
    )


def _at_razorpay(razorpay):
    rows = razorpay.control("state")["refunds"]
    return [(row["amount"], row["status"]) for row in rows]


def _due():
    SourceRefund.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def _seen(recharge):
    recharge.refresh_from_db()
    refund = SourceRefund.objects.get()
    return refund.state, recharge.refunded_paise, balance_of(recharge.user_id)


def _books():
    return [*check_ledger(), *check_recharges(), *check_source_refunds()]


def _difference():
    return reconcile(since=timezone.now() - timedelta(hours=1)).difference_paise


def test_money_goes_back_once(razorpay, paid, admin):
    first, second = (_request(paid, admin) for _unused in range(2))
    assert first.pk == second.pk
    assert _at_razorpay(razorpay) == [(200_00, "processed")]
    assert _seen(paid) == ("processed", 200_00, 300_00)
    assert AuditEvent.objects.filter(action="wallet.source_refund").count() == 1
    assert (_books(), _difference()) == ([], 0)
    with pytest.raises(SourceRefundRefused, match="another refund already"):
        _request(paid, admin, amount=100_00)


@pytest.mark.parametrize("amount", [-1, 0, 99, 500_01])
def test_an_amount_outside_is_refused_and_nothing_moves(razorpay, paid, admin, amount):
    with pytest.raises(SourceRefundRefused, match="between ₹1 and what is left"):
        _request(paid, admin, amount=amount)
    assert (SourceRefund.objects.count(), balance_of(paid.user_id)) == (0, 500_00)
    assert _at_razorpay(razorpay) == []


def test_the_sum_never_exceeds_the_top_up(razorpay, paid, admin):
    _request(paid, admin, amount=300_00, key="a")
    with pytest.raises(SourceRefundRefused):
        _request(paid, admin, amount=200_01, key="b")
    _request(paid, admin, amount=200_00, key="c")
    paid.refresh_from_db()
    assert (paid.refunded_paise, balance_of(paid.user_id)) == (500_00, 0)
    assert (_books(), _difference()) == ([], 0)


def test_what_was_spent_does_not_go_back(razorpay, paid, admin):
    buy(paid.user, PlanFactory(price_paise=400_00))
    with pytest.raises(SourceRefundRefused, match="holds ₹100 only"):
        _request(paid, admin)
    assert (SourceRefund.objects.count(), balance_of(paid.user_id)) == (0, 100_00)
    paid.refresh_from_db()
    assert paid.refunded_paise == 0


def test_an_unpaid_top_up_gives_nothing_back(razorpay, recharge, admin):
    with pytest.raises(SourceRefundRefused):
        _request(recharge, admin)
    assert SourceRefund.objects.count() == 0


@pytest.mark.parametrize("factory", [SupportFactory, CustomerFactory])
def test_only_an_operator_gives_back(razorpay, paid, factory):
    with pytest.raises(SourceRefundRefused, match="Only an operator"):
        _request(paid, factory())
    assert (SourceRefund.objects.count(), balance_of(paid.user_id)) == (0, 500_00)


def test_of_many_at_once_no_more_than_the_top_up_goes_back(razorpay, paid, admin):
    def run(number):
        try:
            return _request(paid, admin, amount=200_00, key=f"form-{number}").state
        except SourceRefundRefused:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        ended = sorted(pool.map(run, range(4)))
    assert ended.count("processed") <= 2
    assert sum(amount for amount, _state in _at_razorpay(razorpay)) == 200_00 * (
        4 - ended.count("refused")
    )
    assert balance_of(paid.user_id) == 500_00 - 200_00 * (4 - ended.count("refused"))
    assert (_books(), _difference()) == ([], 0)


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("500", 0),
        ("502html", 0),
        ("429", 0),
        ("409", 0),
        ("401", 0),
        ("badjson", 0),
        ("timeout", 0),
        ("lost_reply", 1),
        ("hang", 1),
    ],
)
def test_no_answer_means_unknown_and_is_repeated_with_the_same_key(
    razorpay, paid, admin, settings, kind, done
):
    settings.RAZORPAY_READ_TIMEOUT = 0.5
    razorpay.fault(kind, path_prefix=f"/v1/payments/{paid.payment_id}/refund", count=9, seconds=2)
    _request(paid, admin)
    assert _seen(paid) == ("requested", 200_00, 300_00)
    assert len(_at_razorpay(razorpay)) == done
    assert _books() == []
    razorpay.fault("none")
    settings.RAZORPAY_READ_TIMEOUT = 8.0
    assert send_due_source_refunds() == 0
    # However often it was tried, it is due again.
    SourceRefund.objects.update(attempts=5000)
    _due()
    assert send_due_source_refunds() == 1
    assert _at_razorpay(razorpay) == [(200_00, "processed")]
    assert _seen(paid) == ("processed", 200_00, 300_00)
    assert (_books(), _difference()) == ([], 0)


def test_a_definite_refusal_gives_the_money_back_to_the_wallet(razorpay, paid, admin):
    # The whole payment was given back in Razorpay's dashboard meanwhile.
    import razorpay as sdk

    client = sdk.Client(auth=(razorpay.key_id, razorpay.key_secret), base_url=razorpay.base_url)
    client.payment.refund(paid.payment_id, {"amount": 500_00})
    _request(paid, admin)
    assert _seen(paid) == ("failed", 0, 500_00)
    assert "fully refunded already" in SourceRefund.objects.get().failure_reason
    assert (_books(), _difference()) == ([], 0)
    assert OpenItem.objects.get().kind == "foreign_refund"


def test_a_refusal_after_an_unheard_success_gives_nothing_back(razorpay, paid, admin):
    """The first call took the whole payment, the second is refused for that very reason."""
    path = f"/v1/payments/{paid.payment_id}/refund"
    razorpay.fault("lost_reply", path_prefix=path, count=1)
    # The repeats within the call see a sandbox that forgot the key: only its list tells.
    razorpay.fault("500", path_prefix=path, count=2)
    _request(paid, admin, amount=500_00)
    razorpay.control("refunds/forget-keys", {})
    _due()
    assert send_due_source_refunds() == 1
    assert _at_razorpay(razorpay) == [(500_00, "processed")]
    assert _seen(paid) == ("processed", 500_00, 0)
    assert (_books(), _difference()) == ([], 0)


@pytest.mark.parametrize(("failed", "ended"), [(False, "processed"), (True, "failed")])
@pytest.mark.parametrize("way", ["web hook", "worker"])
def test_a_pending_refund_is_followed_to_its_end(
    razorpay, paid, admin, post_events, failed, ended, way
):
    razorpay.configure(refund_status="pending")
    refund = _request(paid, admin)
    assert _seen(paid) == ("requested", 200_00, 300_00)
    razorpay.control("refunds/settle", {"refund_id": refund.razorpay_refund_id, "failed": failed})
    if way == "web hook":
        assert set(post_events(copies=2)) == {204}
    else:
        _due()
        assert send_due_source_refunds() == 1
    assert _seen(paid) == ((ended, 0, 500_00) if failed else (ended, 200_00, 300_00))
    assert (_books(), _difference()) == ([], 0)


def test_news_of_a_refund_whose_answer_was_lost_finds_its_document(
    razorpay, paid, admin, settings, post_events
):
    settings.RAZORPAY_READ_TIMEOUT = 0.5
    path = f"/v1/payments/{paid.payment_id}/refund"
    razorpay.fault("hang", path_prefix=path, seconds=2)
    _request(paid, admin)
    assert set(post_events()) == {204}
    assert _seen(paid) == ("processed", 200_00, 300_00)
    assert SourceRefund.objects.get().razorpay_refund_id


def test_contradicting_news_is_an_item_and_moves_nothing(razorpay, paid, admin, send_refund_hook):
    refund = _request(paid, admin)
    assert send_refund_hook(refund, "failed") == 204
    assert _seen(paid) == ("processed", 200_00, 300_00)
    assert OpenItem.objects.values_list("kind", "amount_paise").get() == (
        "refund_missing",
        200_00,
    )
    assert _books() == []


def test_news_of_another_amount_is_not_ours(razorpay, paid, admin, send_refund_hook):
    razorpay.configure(refund_status="pending")
    refund = _request(paid, admin)
    assert send_refund_hook(refund, "processed", amount=1) == 204
    assert _seen(paid) == ("requested", 200_00, 300_00)
    assert OpenItem.objects.values_list("kind", "amount_paise").get() == ("foreign_refund", -1)


def test_the_console_gives_back_once_and_support_may_not(razorpay, paid, console_for):
    address = reverse("admin:wallet_recharge_source_refund", args=[paid.pk])
    form = {"amount": "200", "reason": "asked", "confirmed": "1"}
    assert console_for(SupportFactory()).post(address, form).status_code == 403
    assert (SourceRefund.objects.count(), balance_of(paid.user_id)) == (0, 500_00)
    client = console_for(AdminFactory())
    form["command_key"] = client.get(address).context["key"]
    for _unused in range(2):
        assert client.post(address, form).status_code == 302
    assert _seen(paid) == ("processed", 200_00, 300_00)
    form |= {"amount": "9999", "command_key": client.get(address).context["key"]}
    asked = {name: value for name, value in form.items() if name != "confirmed"}
    # Already where it asks once more: what it says there would not come true.
    for sent in (asked, form):
        page = client.post(address, sent)
        assert "what is left of the top-up" in page.content.decode()
    buy(paid.user, PlanFactory(price_paise=200_00))
    page = client.post(address, asked | {"amount": "150"})
    assert "The wallet holds ₹100 only: the rest was spent." in page.content.decode()
    assert WalletTransaction.objects.filter(reference_type="source_refund").count() == 1
    assert Recharge.objects.get(pk=paid.pk).refunded_paise == 200_00


def test_the_console_closes_an_item_and_support_may_not(razorpay, paid, console_for):
    item = OpenItem.objects.create(kind="no_recharge", reference="pay_9", amount_paise=1)
    address = reverse("admin:wallet_openitem_close", args=[item.pk])
    assert console_for(SupportFactory()).post(address, {"note": "x"}).status_code == 403
    item.refresh_from_db()
    assert item.state == "open"
    client = console_for(AdminFactory())
    form = {"note": "done", "command_key": client.get(address).context["key"]}
    assert client.post(address, form).status_code == 302
    item.refresh_from_db()
    assert (item.state, item.note) == ("closed", "done")


def test_two_workers_that_read_the_same_list_ask_once(razorpay, paid, admin):
    razorpay.fault("500", path_prefix=f"/v1/payments/{paid.payment_id}/refund", count=9)
    refund = _request(paid, admin)
    first, second = (SourceRefund.objects.get(pk=refund.pk) for _unused in range(2))
    assert send_source_refund(refund=first).attempts == 2
    razorpay.fault("none")
    # Its claim is refused: the other may still be under way.
    assert send_source_refund(refund=second).state == "requested"
    assert SourceRefund.objects.get().attempts == 2
    assert _at_razorpay(razorpay) == []


def test_workers_at_once_refund_once(razorpay, paid, admin):
    razorpay.fault("500", path_prefix=f"/v1/payments/{paid.payment_id}/refund", count=3)
    _request(paid, admin)
    _due()

    def run(_number):
        try:
            return send_due_source_refunds()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, range(2))) >= 1
    assert _at_razorpay(razorpay) == [(200_00, "processed")]
    assert _seen(paid) == ("processed", 200_00, 300_00)
