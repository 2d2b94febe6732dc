"""The console as support: everything is seen, nothing is changed."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY

from accounts.models import TotpDevice
from tests.factories import (
    AdminFactory,
    PlanFactory,
    SupportFactory,
    add_account,
    buy,
    give_money,
)

pytestmark = pytest.mark.django_db
# The visitor's own session and last log-in may change; nothing else may.
OWN = {"sessions"}


@pytest.fixture
def console_for(client_for):
    def make(user):
        client = client_for(user)
        device = TotpDevice.objects.create(user=user, name="authenticator", key="MFRGGZDFMZTWQ2LK")
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
        return client

    return make


@pytest.fixture
def sold(customer):
    plan = PlanFactory()
    account = add_account(plan, login="seat@example.com")
    give_money(customer, 500_00)
    return buy(customer, plan), plan, account


def _everything() -> dict[str, list]:
    return {
        model._meta.db_table: sorted(map(repr, model.objects.values_list()))
        for model in apps.get_models()
        if model._meta.db_table not in OWN
    }


def test_without_the_second_factor_the_console_stays_shut(client_for):
    for user in (AdminFactory(), SupportFactory()):
        answer = client_for(user).get(reverse("admin:index"))
        assert answer.status_code == 302
        assert "/admin/login/" in answer.headers["Location"]


@pytest.mark.parametrize("factory", [AdminFactory, SupportFactory])
def test_staff_see_every_list_and_document_and_no_secret(factory, console_for, sold):
    client = console_for(factory())
    seen = 0
    for model in admin.site._registry:
        name = model._meta.label_lower.replace(".", "_")
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
        for document in model.objects.all()[:2]:
            page = client.get(reverse(f"admin:{name}_change", args=[document.pk]))
            assert page.status_code == 200
            for secret in ("s3cret-Pa55", "seat@example.com", "4321<"):
                assert secret not in page.content.decode()
            seen += 1
    assert seen > 10


def test_support_changes_nothing_by_any_form_or_action(console_for, sold):
    order, plan, account = sold
    client = console_for(SupportFactory())
    targets = []
    for model in admin.site._registry:
        name = model._meta.label_lower.replace(".", "_")
        targets.append(reverse(f"admin:{name}_add"))
        targets.append(reverse(f"admin:{name}_changelist"))
        for document in model.objects.all()[:1]:
            for verb in ("change", "delete"):
                targets.append(reverse(f"admin:{name}_{verb}", args=[document.pk]))
    targets.append(reverse("admin:orders_order_refund", args=[order.pk]))
    targets.append(reverse("admin:catalog_plan_restock", args=[plan.pk]))
    targets.append(reverse("admin:wallet_wallet_adjust", args=[order.user_id]))
    before = _everything()
    data = {
        "action": "deliver_orders",
        "_selected_action": str(order.pk),
        "amount": "10",
        "reason": "x",
        "key": "k",
        "delta": "5",
        "note": "x",
        "new_password": "stolen",
        "post": "yes",
    }
    for target in targets:
        client.post(target, data)
    assert _everything() == before


def test_an_admin_restocks_refunds_and_adjusts_through_the_services(console_for, sold):
    order, plan, _account = sold
    client = console_for(AdminFactory())
    restock = reverse("admin:catalog_plan_restock", args=[plan.pk])
    for _unused in range(2):
        client.post(restock, {"delta": "5", "note": "more", "key": "once"})
    plan.refresh_from_db()
    assert plan.stock == 14
    refund = reverse("admin:orders_order_refund", args=[order.pk])
    for _unused in range(2):
        client.post(refund, {"amount": "199", "reason": "x", "take_back": "on", "key": "once"})
    adjust = reverse("admin:wallet_wallet_adjust", args=[order.user_id])
    for _unused in range(2):
        client.post(adjust, {"amount": "-100", "reason": "x", "key": "once"})
    order.user.wallet.refresh_from_db()
    assert order.user.wallet.balance_paise == 400_00


def test_an_admin_changes_a_stored_password_by_its_form(console_for, sold):
    _order, _plan, account = sold
    address = reverse("admin:subscriptions_credential_change", args=[account.pk])
    answer = console_for(AdminFactory()).post(address, {"new_password": "n3w-Pa55"})
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        reverse("admin:subscriptions_credential_changelist"),
    )
    account.refresh_from_db()
    assert account.password == "n3w-Pa55"
