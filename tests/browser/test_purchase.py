"""The main job in a real browser: log in, top up, buy, get the credentials."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from accounts.models import User
from notifications.models import Notification
from orders.books import check_books
from orders.models import Order
from tests.browser.chromium import press_escape
from tests.browser.conftest import PHONE, WIDE, Shop
from tests.factories import PIN
from wallet.models import Recharge, WalletTransaction

NUMBER = "+919876500001"


def checkout(page: Page) -> FrameLocator:
    """The checkout's window, once it is open."""
    return page.frame_locator("iframe.razorpay-checkout-frame")


def start_topup(shop: Shop, page: Page) -> None:
    """Log in, choose the plan and come to the checkout by way of the bill."""
    page.goto(f"{shop.url}/")
    page.get_by_role("link", name="See the plans").click()
    page.get_by_role("link", name="Premium").click()
    page.get_by_role("link", name="Buy this plan").click()
    expect(page).to_have_url(re.compile(r"/login/\?next=/buy/nataka-plus/premium/$"))
    shop.give_phone_and_code(page, NUMBER)
    expect(page.get_by_role("heading", name="Check the bill")).to_be_visible()
    expect(page.locator(".is-short dd")).to_have_text("₹249")
    page.get_by_role("link", name="Top up ₹249 and come back").click()
    expect(page.get_by_label("Amount")).to_have_value("249")
    page.get_by_role("button", name="Top up", exact=True).click()
    expect(checkout(page).locator("#amount")).to_have_text("₹249.00")


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_a_stranger_logs_in_tops_up_buys_and_reads_the_login(
    shop: Shop, open_page: Callable[..., Page], width: int
) -> None:
    page = open_page(width)
    start_topup(shop, page)
    checkout(page).locator("#pay-success").click()
    expect(page.get_by_role("heading", name="₹249 is in your wallet")).to_be_visible()
    page.get_by_role("link", name="Back to your purchase").click()
    expect(page.locator(".is-total dd")).to_have_text("₹0")
    page.get_by_role("button", name="Pay ₹249 from wallet").dblclick()
    expect(page.get_by_text("Paid. Here is your ticket.")).to_be_visible()
    order = Order.objects.get()
    expect(page.locator(".serial")).to_have_text(order.number)

    page.get_by_role("link", name="Open the plan").click()
    expect(page.get_by_text("nataka.one@accounts.example")).to_have_count(0)
    page.get_by_role("button", name="Show the login").click()
    expect(page.locator("#cred-login")).to_have_text("nataka.one@accounts.example")
    expect(page.locator("#cred-password")).to_have_text("s3cret-Pa55")
    expect(page.locator("#cred-pin")).to_have_text(PIN)
    page.get_by_role("button", name="Copy password").click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "s3cret-Pa55"
    page.get_by_role("link", name="Hide").click()
    expect(page.get_by_role("button", name="Show the login")).to_be_visible()
    expect(page.get_by_text("s3cret-Pa55")).to_have_count(0)

    user = User.objects.get(phone=NUMBER)
    assert (order.user_id, order.state, order.price_paise) == (user.pk, "completed", 249_00)
    assert Recharge.objects.get().state == Recharge.State.COMPLETED
    entries = WalletTransaction.objects.order_by("sequence")
    assert list(entries.values_list("amount_paise", "balance_after_paise")) == [
        (249_00, 249_00),
        (-249_00, 0),
    ]
    assert Notification.objects.filter(user_id=user.pk, kind="order").count() == 1
    assert list(check_books()) == []
    # Nothing is wider than the window.
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_failed_payment_is_said_and_a_second_try_credits_once(
    shop: Shop, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    start_topup(shop, page)
    checkout(page).locator("#pay-failure").click()
    expect(checkout(page).locator("#message")).to_be_visible()
    checkout(page).locator("#abandon").click()
    expect(page.locator("#checkout-message")).to_contain_text("The payment did not go through.")
    # The web hook of the failed payment may be told before the second try or after it.
    shop.razorpay.wait_for_webhooks()
    assert WalletTransaction.objects.count() == 0

    page.get_by_role("button", name="Pay ₹249").click()
    checkout(page).locator("#pay-success").click()
    expect(page.get_by_role("heading", name="₹249 is in your wallet")).to_be_visible()
    shop.razorpay.wait_for_webhooks()
    assert list(WalletTransaction.objects.values_list("amount_paise", flat=True)) == [249_00]
    assert list(check_books()) == []


def test_an_abandoned_payment_takes_nothing_and_can_be_found_again(
    shop: Shop, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    start_topup(shop, page)
    press_escape(page, page.locator(".razorpay-container"))
    expect(page.locator("#checkout-message")).to_contain_text("Nothing was taken")
    page.reload()
    # By itself it opens once only.
    expect(page.get_by_role("button", name="Pay ₹249")).to_be_enabled()
    expect(page.locator(".razorpay-container")).to_have_count(0)
    page.goto(f"{shop.url}/wallet/")
    page.get_by_role("link", name="Look or pay").click()
    expect(page.get_by_role("heading", name="Top up ₹249")).to_be_visible()
    assert WalletTransaction.objects.count() == 0
    assert Recharge.objects.get().state == Recharge.State.PENDING


def test_a_payment_whose_reply_is_lost_arrives_by_the_web_hook(
    shop: Shop, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    start_topup(shop, page)
    checkout(page).locator("#pay-lost").click()
    expect(page.locator(".razorpay-container")).to_have_count(0)
    shop.razorpay.wait_for_webhooks()
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", name="₹249 is in your wallet")).to_be_visible()
    assert list(WalletTransaction.objects.values_list("amount_paise", flat=True)) == [249_00]
