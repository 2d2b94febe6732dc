"""Commands: shown first, done once, and only by whom and for what the form was made."""

import pytest
from django.urls import reverse

from accounts.models import User
from catalog.models import StockMovement
from ottsonly.admin_commands import issue_key, read_key
from ottsonly.models import AuditEvent
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, give_money
from wallet.models import WalletTransaction
from wallet.services import balance_of

pytestmark = pytest.mark.django_db
CREDIT = {"direction": "credit", "amount": "250.50", "reason": "Goodwill"}


def adjust_url(user) -> str:
    return reverse("admin:accounts_user_wallet", args=[user.pk])


def test_a_key_fits_one_person_action_and_document():
    user, other = AdminFactory(), AdminFactory()
    text = issue_key(user=user, action="a.b", target="1")
    key = read_key(text, user=user, action="a.b", target="1")
    assert key is not None and len(key) == 24
    assert read_key(text, user=other, action="a.b", target="1") is None
    assert read_key(text, user=user, action="a.c", target="1") is None
    assert read_key(text, user=user, action="a.b", target="2") is None
    assert read_key(text + "x", user=user, action="a.b", target="1") is None


def test_a_credit_is_shown_before_it_is_done_and_done_once(console, customer, admin_user):
    url = adjust_url(customer)
    page = console.get(url)
    data = {"command_key": page.context["key"], **CREDIT}
    asked = console.post(url, data)
    text = asked.content.decode()
    assert "The balance goes from ₹0 to ₹250.50." in text
    assert balance_of(customer.pk) == 0
    for _unused in range(2):
        done = console.post(url, {**data, "confirmed": "1"})
        assert done.status_code == 302
        assert done.headers["Location"] == reverse("admin:accounts_user_change", args=[customer.pk])
    entry = WalletTransaction.objects.get()
    assert (entry.amount_paise, entry.actor_id) == (250_50, admin_user.pk)
    assert AuditEvent.objects.filter(action="wallet.adjust").count() == 1


def test_a_debit_above_the_balance_is_refused_at_the_field(console, customer, command):
    give_money(customer, 100_00)
    fields = {"direction": "debit", "amount": "100.01", "reason": "x"}
    # Already where it asks once more: what it says there would not come true.
    for confirm in (False, True):
        answer = command(console, adjust_url(customer), confirm=confirm, **fields)
        assert answer.status_code == 409
        assert answer.context["form"].errors == {"amount": ["The wallet holds only ₹100."]}
        assert answer.context["form"]["reason"].value() == "x"
    assert balance_of(customer.pk) == 100_00


@pytest.mark.parametrize("key", ["", "forged", None])
def test_without_a_key_of_ours_nothing_is_done(console, customer, key):
    if key is None:
        key = issue_key(
            user=CustomerFactory(), action="accounts.user.wallet", target=str(customer.pk)
        )
    answer = console.post(adjust_url(customer), {**CREDIT, "command_key": key, "confirmed": "1"})
    assert answer.status_code == 400
    assert "This page was open too long" in answer.content.decode()
    assert WalletTransaction.objects.count() == 0


def test_a_form_that_was_filled_in_wrongly_keeps_what_was_typed(console, customer, command):
    answer = command(console, adjust_url(customer), direction="credit", amount="ten", reason="Why")
    assert answer.status_code == 400
    assert 'value="Why"' in answer.content.decode()
    assert list(answer.context["form"].errors) == ["amount"]


def test_the_stock_moves_by_a_delta_once(console, command):
    plan = PlanFactory(stock=5)
    url = reverse("admin:catalog_plan_restock", args=[plan.pk])
    data = {"command_key": console.get(url).context["key"], "delta": "-2", "note": "Broken"}
    for _unused in range(2):
        assert console.post(url, data).status_code == 302
    plan.refresh_from_db()
    assert plan.stock == 3
    assert StockMovement.objects.filter(plan=plan, note="Broken").count() == 1
    refused = command(console, url, delta="-4", note="x")
    assert refused.context["form"].errors == {
        "delta": ["There are fewer units left than you want to take away."]
    }


def test_disabling_and_enabling_leaves_a_trace_on_the_persons_page(console, customer, command):
    url = reverse("admin:accounts_user_disable", args=[customer.pk])
    assert "Every session of this person ends at once." in console.get(url).content.decode()
    assert command(console, url).status_code == 302
    assert User.objects.get(pk=customer.pk).is_active is False
    page = console.get(reverse("admin:accounts_user_change", args=[customer.pk]))
    assert [event.action for event in page.context["document_trace"]] == ["user.disable"]
    assert command(
        console, reverse("admin:accounts_user_enable", args=[customer.pk])
    ).status_code == (302)
    assert User.objects.get(pk=customer.pk).is_active is True


def test_the_last_admin_stays_one(console, admin_user, command):
    url = reverse("admin:accounts_user_change_role", args=[admin_user.pk])
    answer = command(console, url, role="user")
    assert answer.status_code == 409
    assert list(answer.context["form"].errors) == ["role"]
    assert User.objects.get(pk=admin_user.pk).role == "admin"


def test_an_enrolment_link_is_shown_once_and_never_kept(console, command):
    agent = AdminFactory()
    answer = command(console, reverse("admin:accounts_user_enrolment_link", args=[agent.pk]))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].startswith("no-store, private")
    assert "/enrol/" in answer.context["shown"]
    assert answer.context["shown"] not in str(list(AuditEvent.objects.values()))
