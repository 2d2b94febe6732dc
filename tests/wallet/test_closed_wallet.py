"""An account is deleted while money is on its way to it: the money is never lost."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import DeletionRefused
from accounts.models import User
from accounts.privacy import delete_account
from ottsonly.mongo import in_transaction
from tests.factories import AdminFactory, give_money
from tests.rival import rival_before
from wallet.errors import WalletClosed
from wallet.models import OpenItem, Recharge, SourceRefund, Wallet, WalletTransaction
from wallet.services import balance_of, close_wallet

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_credit_at_the_critical_moment_keeps_the_account(customer):
    phone = customer.phone
    with rival_before("update", "wallets", lambda: give_money(customer, 100_00)) as rival:
        with pytest.raises(DeletionRefused, match="₹100 in your wallet"):
            delete_account(user=customer)
    assert rival.results == [None]
    kept = User.objects.get(pk=customer.pk)
    assert (kept.phone, kept.is_active, balance_of(kept.pk)) == (phone, True, 100_00)
    assert Wallet.objects.get().closed_at is None


def test_control_a_balance_that_is_only_read_is_lost(customer):
    def delete_by_reading():
        assert balance_of(customer.pk) == 0
        User.objects.filter(pk=customer.pk).update(is_active=False)

    with rival_before("update", "users", lambda: give_money(customer, 100_00)):
        in_transaction(delete_by_reading)
    assert (User.objects.get().is_active, balance_of(customer.pk)) == (False, 100_00)


def test_a_wallet_with_money_in_it_is_not_closed(customer):
    give_money(customer, 1_00)
    assert in_transaction(lambda: close_wallet(customer.pk)) is False
    assert Wallet.objects.get().closed_at is None
    with pytest.raises(RuntimeError, match="together with its account"):
        close_wallet(customer.pk)


def test_no_money_comes_to_a_deleted_account(customer):
    delete_account(user=customer)
    with pytest.raises(WalletClosed):
        give_money(customer, 100_00)
    assert balance_of(customer.pk) == 0
    assert WalletTransaction.objects.count() == 0


def test_a_payment_after_the_deletion_becomes_an_open_item(recharge, send_hook):
    Recharge.objects.update(created_at=timezone.now() - timedelta(days=8))
    delete_account(user=recharge.user)
    assert send_hook(recharge) == send_hook(recharge, event_id="evt_2") == 204
    item = OpenItem.objects.get()
    assert (item.kind, item.reference, item.amount_paise) == ("account_closed", "pay_1", 500_00)
    recharge.refresh_from_db()
    assert (recharge.state, recharge.payment_id) == ("pending", None)
    assert balance_of(recharge.user_id) == 0


@pytest.mark.parametrize("state", ["pending", "failed", "expired"])
def test_a_recent_top_up_that_may_still_be_paid_is_in_the_way(customer, state):
    began = Recharge.objects.create(user=customer, amount_paise=100_00, key="k", state=state)
    with pytest.raises(DeletionRefused, match="A top-up is under way"):
        delete_account(user=customer)
    assert User.objects.get(pk=customer.pk).is_active
    Recharge.objects.filter(pk=began.pk).update(created_at=timezone.now() - timedelta(days=8))
    delete_account(user=customer)
    assert not User.objects.get(pk=customer.pk).is_active


def test_a_refund_on_its_way_is_in_the_way(customer):
    paid = Recharge.objects.create(
        user=customer, amount_paise=100_00, key="k", state="completed", payment_id="pay_1"
    )
    SourceRefund.objects.create(
        recharge=paid, user=customer, amount_paise=100_00, reason="x", actor=AdminFactory(), key="r"
    )
    with pytest.raises(DeletionRefused, match="on its way back"):
        delete_account(user=customer)
    assert User.objects.get(pk=customer.pk).is_active
    SourceRefund.objects.update(state="processed")
    delete_account(user=customer)
