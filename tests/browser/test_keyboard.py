"""From the log-in to the purchase by the keyboard alone."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from orders.models import Order
from tests.browser.conftest import Shop
from tests.factories import CustomerFactory, give_money

MOST_STOPS = 60
FOCUSED = """() => {
    const at = document.activeElement;
    const name = at.getAttribute("aria-label") || at.innerText || at.name || "";
    // The link of a ticket shows the focus around the whole ticket.
    const ring = ["", "::after"].some((part) => {
        const style = getComputedStyle(at, part);
        return style.outlineStyle !== "none" && style.outlineWidth !== "0px";
    });
    return {name: name.trim(), ring};
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element called `name` has the focus, and see that it shows."""
    for _stop in range(MOST_STOPS):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if name in focused["name"]:
            assert focused["ring"], f"{name!r} has the focus and does not show it"
            return
    raise AssertionError(f"no way to {name!r} by {MOST_STOPS} tabs")


def test_log_in_and_buy_without_a_mouse(shop: Shop, open_page: Callable[..., Page]) -> None:
    user = CustomerFactory()
    give_money(user, 300_00)
    page = open_page()
    page.goto(f"{shop.url}/plans/")
    # The first stop leads past the header.
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "Premium")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Premium", level=1)).to_be_visible()
    tab_to(page, "Buy this plan")
    page.keyboard.press("Enter")
    # The field has the focus by itself.
    expect(page.get_by_label("Phone")).to_be_focused()
    page.keyboard.type(user.phone.removeprefix("+91"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type(shop.sms.take_code(user.phone))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Check the bill")).to_be_visible()
    tab_to(page, "Pay ₹249 from wallet")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Paid. Here is your ticket.")).to_be_visible()
    tab_to(page, "Open the plan")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Show the login")).to_be_visible()
    tab_to(page, "Show the login")
    page.keyboard.press("Enter")
    expect(page.locator("#cred-password")).to_have_text("s3cret-Pa55")
    # The focus is where the login is, so the next stop is its first button.
    expect(page.locator("#credentials")).to_be_focused()
    tab_to(page, "Copy password")
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("Copied")
    assert Order.objects.filter(user_id=user.pk).count() == 1
