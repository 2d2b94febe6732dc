"""The console as admin and support: it fits a phone and a desk, and axe finds nothing serious."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from notifications.models import Broadcast
from subscriptions.models import CredentialImport, ProblemReport
from telegram_alerts.models import Alert
from tests.browser.conftest import PHONE, WIDE, Shop
from tests.browser.test_looks import AXE, RUN_AXE, come_in
from tests.console.world import fill
from tests.factories import AdminFactory, CustomerFactory, SupportFactory
from tests.world import client_of

# Unfold asks for the scheme once, when a page comes.
SET_SCHEME = "dark => document.documentElement.classList.toggle('dark', dark)"
STAFF = {"admin": AdminFactory, "support": SupportFactory}


def _change(document: object) -> str:
    options = document._meta  # type: ignore[attr-defined]
    name = f"admin:{options.app_label}_{options.model_name}_change"
    return reverse(name, args=[document.pk])  # type: ignore[attr-defined]


def _pages(role: str, made: dict, customer: object) -> list[str]:
    """The screens of an operator's day; commands are for admins alone."""
    pages = [
        reverse("admin:index"),
        reverse("admin:orders_order_changelist"),
        _change(made["order"]),
        _change(customer),
        _change(made["subscription"]),
        reverse("admin:subscriptions_credential_changelist"),
        _change(ProblemReport.objects.get()),
    ]
    if role == "admin":
        pages += [
            _change(made["plan"]),
            reverse("admin:orders_order_refund", args=[made["waiting"].pk]),
            _change(Broadcast.objects.get()),
            _change(CredentialImport.objects.get()),
            _change(Alert.objects.first()),
        ]
    return pages


@pytest.mark.parametrize("role", STAFF)
def test_the_console_fits_and_has_no_serious_barrier(
    empty_shop: Shop, open_page: Callable[..., Page], role: str
) -> None:
    customer = CustomerFactory()
    made = fill(customer, AdminFactory())
    page = open_page(WIDE, bypass_csp=True)
    page.add_init_script(AXE)
    come_in(page, empty_shop, client_of(STAFF[role]()))
    wrong = []
    for address in _pages(role, made, customer):
        answer = page.goto(empty_shop.url + address, wait_until="load")
        assert answer is not None and answer.status == 200, address
        for width, scheme in ((WIDE, "light"), (PHONE, "dark")):
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate(SET_SCHEME, scheme == "dark")
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{role} {address}: {wide} px wide in a window of {width}")
            for found in page.evaluate(RUN_AXE):
                wrong.append(f"{role} {address} at {width} px, {scheme}: {found}")
    assert wrong == [], "\n".join(wrong)


def test_the_keyboard_leads_past_the_sidebar_also_by_night(
    empty_shop: Shop, open_page: Callable[..., Page]
) -> None:
    page = open_page(scheme="dark")
    come_in(page, empty_shop, client_of(AdminFactory()))
    page.goto(f"{empty_shop.url}/admin/", wait_until="load")
    expect(page.locator("html.dark")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator(".console-skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#content a").first).to_be_focused()
    assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
