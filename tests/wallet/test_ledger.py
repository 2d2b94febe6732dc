"""The ledger: never below zero, never rewritten, and books that name what is off."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from ottsonly.mongo import in_transaction
from tests.factories import AdminFactory, CustomerFactory, give_money
from wallet.books import check_ledger, check_recharges
from wallet.errors import AdjustmentRefused, InsufficientBalance
from wallet.models import Wallet, WalletTransaction
from wallet.services import adjust_wallet, balance_of, ensure_wallet, post_entry

pytestmark = pytest.mark.django_db(transaction=True)


def _debit(user, paise, key):
    return in_transaction(
        lambda: post_entry(
            user_id=user.pk,
            amount_paise=-paise,
            reference_type="order",
            reference_id=key,
            key=f"order:{key}",
            description="Purchase",
        )
    )


def test_entries_form_a_chain(customer):
    give_money(customer, 500_00)
    entry = _debit(customer, 199_00, "a")
    assert (entry.sequence, entry.amount_paise, entry.balance_after_paise) == (2, -199_00, 301_00)
    assert balance_of(customer.pk) == 301_00
    assert list(check_ledger()) == []


def test_a_debit_beyond_the_balance_changes_nothing(customer):
    give_money(customer, 100_00)
    with pytest.raises(InsufficientBalance) as refusal:
        _debit(customer, 199_00, "a")
    assert (refusal.value.balance_paise, refusal.value.needed_paise) == (100_00, 199_00)
    assert str(refusal.value) == "Your wallet is short of ₹99."
    wallet = Wallet.objects.get(pk=customer.pk)
    assert (wallet.balance_paise, wallet.sequence) == (100_00, 1)
    assert WalletTransaction.objects.count() == 1


def test_of_two_debits_at_once_one_wins(customer):
    give_money(customer, 199_00)

    def run(key):
        try:
            return _debit(customer, 199_00, key).balance_after_paise
        except InsufficientBalance:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(map(str, pool.map(run, "ab"))) == ["0", "refused"]
    assert balance_of(customer.pk) == 0
    assert list(check_ledger()) == []


def test_control_writing_a_balance_that_was_read_loses_money(customer):
    give_money(customer, 500_00)
    seen = [Wallet.objects.get(pk=customer.pk) for _unused in range(2)]
    for wallet in seen:
        wallet.balance_paise -= 199_00
        wallet.save()
    assert balance_of(customer.pk) == 301_00
    assert [finding.document for finding in check_ledger()] == [f"wallet {customer.pk}"]


def test_money_moves_only_in_a_transaction(customer):
    ensure_wallet(customer.pk)
    with pytest.raises(RuntimeError, match="only inside in_transaction"):
        post_entry(
            user_id=customer.pk,
            amount_paise=1,
            reference_type="order",
            reference_id="a",
            key="a",
            description="",
        )
    assert balance_of(customer.pk) == 0


def test_entries_cannot_be_changed_or_deleted(customer):
    give_money(customer, 500_00)
    entry = WalletTransaction.objects.get()
    entry.amount_paise = 1
    rows = WalletTransaction.objects.all()
    for change in (
        entry.save,
        entry.delete,
        rows.delete,
        lambda: rows.update(amount_paise=1),
        lambda: WalletTransaction.objects.bulk_update([entry], ["amount_paise"]),
    ):
        with pytest.raises(TypeError, match="append-only"):
            change()
    assert WalletTransaction.objects.get().amount_paise == 500_00


def test_one_key_adjusts_once_and_fits_one_change_only(customer):
    change = {"user": customer, "reason": "goodwill", "actor": None, "key": "form"}
    first = adjust_wallet(amount_paise=50_00, **change)
    assert adjust_wallet(amount_paise=50_00, **change).pk == first.pk
    with pytest.raises(AdjustmentRefused):
        adjust_wallet(amount_paise=60_00, **change)
    with pytest.raises(AdjustmentRefused):
        adjust_wallet(amount_paise=50_00, **{**change, "user": CustomerFactory()})
    with pytest.raises(AdjustmentRefused):
        adjust_wallet(amount_paise=0, **{**change, "key": "other"})
    assert balance_of(customer.pk) == 50_00
    assert WalletTransaction.objects.count() == 1


@pytest.mark.parametrize(
    ("collection", "change"),
    [
        ("wallets", {"$set": {"balance_paise": 1}}),
        ("wallets", {"$set": {"sequence": 7}}),
        ("wallet_transactions", {"$set": {"amount_paise": 1}}),
        ("wallet_transactions", {"$set": {"balance_after_paise": 1}}),
        ("wallet_transactions", {"$set": {"sequence": 9}}),
        ("wallet_transactions", None),
    ],
)
def test_a_corrupted_document_is_named(customer, collection, change):
    give_money(customer, 500_00)
    give_money(CustomerFactory(), 500_00)
    row = {"user_id": customer.pk}
    if change is None:
        connection.database[collection].delete_one(row)
    else:
        connection.database[collection].update_one(row, change)
    assert [finding.document for finding in check_ledger()] == [f"wallet {customer.pk}"]


def test_entries_without_a_wallet_are_named(customer):
    give_money(customer, 500_00)
    connection.database["wallets"].delete_one({"user_id": customer.pk})
    assert [finding.document for finding in check_ledger()] == [f"wallet {customer.pk}"]


def test_a_top_up_entry_without_a_top_up_is_named(customer):
    give_money(customer, 500_00)
    connection.database["wallet_transactions"].update_one(
        {}, {"$set": {"reference_type": "recharge", "reference_id": "5f" * 12}}
    )
    assert [finding.document for finding in check_recharges()] == [f"recharge {'5f' * 12}"]


def test_the_console_shows_a_wallet_and_edits_none(rf):
    from django.contrib import admin

    request = rf.get("/")
    request.user = AdminFactory()
    model_admin = admin.site.get_model_admin(Wallet)
    # Who may adjust one, by the service, is tested in tests/console.
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)
