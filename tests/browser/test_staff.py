"""Admin and support come in by a code and a second factor."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.second_factor import token_at
from tests.browser.conftest import Shop, make_staff


@pytest.mark.parametrize("role", ["admin", "support"])
def test_staff_log_in_with_code_and_authenticator(
    shop: Shop, open_page: Callable[..., Page], role: str
) -> None:
    user, device = make_staff(role)
    page = open_page()
    page.goto(f"{shop.url}/admin/")
    shop.give_phone_and_code(page, user.phone)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.goto(f"{shop.url}/admin/orders/order/")
    # The code by SMS alone does not open it.
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Open the console").click()
    expect(page.get_by_text("not right")).to_be_visible()
    page.get_by_label("Code").fill(token_at(device.key, int(time.time() // 30)))
    page.get_by_role("button", name="Open the console").click()
    page.wait_for_url(f"{shop.url}/admin/orders/order/")
    page.goto(f"{shop.url}/admin/catalog/plan/")
    expect(page.get_by_role("link", name="Premium").first).to_be_visible()
