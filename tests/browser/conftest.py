"""A running shop as in production, Razorpay's sandbox, an SMS gateway, and a Chromium.

They live as long as this package's tests. Each test starts from empty collections and makes what
it needs by the services.
"""

import base64
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from accounts.models import TotpDevice, User
from catalog.models import Plan
from dev.production_shop import ProductionShop
from razorpay_sandbox.process import SandboxServer
from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.conftest import WRITTEN
from tests.factories import (
    AdminFactory,
    PlanFactory,
    PlatformFactory,
    SupportFactory,
    add_account,
)
from tests.sms_gateway import SmsGateway

# Conditions are waited for, so a long patience costs nothing where all is well.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
PHONE, WIDE = 390, 1280
KEPT = {"django_migrations", "django_content_type"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of this package.

    Not for the session: Playwright runs an event loop in this thread, which would be in the way
    of every later test that starts one.
    """
    program = find_chromium()
    unsafe = pytest.MonkeyPatch()
    # Django sees Playwright's event loop and takes these tests for asynchronous code.
    unsafe.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
    unsafe.undo()


@dataclass
class Services:
    """The processes around the browser."""

    web: ProductionShop
    razorpay: SandboxServer
    sms: SmsGateway


@pytest.fixture(scope="package")
def services(
    chromium: Browser, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Services]:
    """The shop's web server on the database of this test run, and the services that it calls."""
    from django.db import connection

    with SandboxServer() as razorpay, SmsGateway() as sms:
        environment = {
            **os.environ,
            **sms.environment,
            "MONGODB_NAME": connection.settings_dict["NAME"],
            "SECRET_KEY": settings.SECRET_KEY,
            "HASH_KEY": settings.HASH_KEY,
            "CREDENTIAL_KEYS": ",".join(settings.CREDENTIAL_KEYS),
            "OTP_RESEND_SECONDS": "0",
            "RAZORPAY_KEY_ID": razorpay.key_id,
            "RAZORPAY_KEY_SECRET": razorpay.key_secret,
            "RAZORPAY_WEBHOOK_SECRET": razorpay.webhook_secret,
            "RAZORPAY_BASE_URL": razorpay.base_url,
            "RAZORPAY_CHECKOUT_JS_URL": f"{razorpay.base_url}/v1/checkout.js",
        }
        with ProductionShop(environment) as web:
            yield Services(web, razorpay, sms)


@dataclass
class Shop:
    """A shop with a few plans, and how people come in."""

    url: str
    razorpay: SandboxServer
    sms: SmsGateway
    plans: dict[str, Plan] = field(default_factory=dict)

    def log_in(self, page: Page, phone: str) -> None:
        """Log in by the real pages with the code that was really sent; `phone` is E.164."""
        page.goto(f"{self.url}/login/")
        self.give_phone_and_code(page, phone)

    def give_phone_and_code(self, page: Page, phone: str) -> None:
        """Fill in the log-in page that is open."""
        page.get_by_label("Phone").fill(phone.removeprefix("+91"))
        page.get_by_role("button", name="Send the code").click()
        expect(page.get_by_role("heading", name="Enter the code")).to_be_visible()
        page.get_by_label("Code").fill(self.sms.take_code(phone))
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda address: "/login/" not in address)


@pytest.fixture
def empty_shop(services: Services, transactional_db: None) -> Iterator[Shop]:
    """The running shop without a document."""
    services.razorpay.reset()
    services.razorpay.configure(
        webhook_url=f"http://127.0.0.1:{services.web.port}/wallet/razorpay/webhook",
        webhook_retry_seconds=0.02,
    )
    yield Shop(services.web.url, services.razorpay, services.sms)
    services.razorpay.configure(webhook_url="")
    # What the server's process wrote is not seen by the listener of this one.
    from django.db import connection

    WRITTEN.names.update(set(connection.database.list_collection_names()) - KEPT)


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    """The running shop with three platforms, four plans and a pool."""
    nataka = PlatformFactory(name="Nataka Plus", slug="nataka-plus", hue="coral", mark="play")
    surtaal = PlatformFactory(name="Surtaal", slug="surtaal", hue="violet", mark="wave", position=1)
    aranya = PlatformFactory(
        name="Aranya Docs", slug="aranya", hue="teal", mark="orbit", position=2
    )
    empty_shop.plans = {
        "premium": PlanFactory(
            platform=nataka, slug="premium", price_paise=249_00, features="Four screens\n4K HDR"
        ),
        "year": PlanFactory(
            platform=nataka,
            name="Year",
            slug="year",
            price_paise=2399_00,
            duration_days=365,
            stock=0,
        ),
        "family": PlanFactory(
            platform=surtaal, name="Family", slug="family", delivery="customer_email"
        ),
        "reader": PlanFactory(platform=aranya, name="Reader", slug="reader", delivery="manual"),
    }
    add_account(empty_shop.plans["premium"], seats=4, login="nataka.one@accounts.example")
    return empty_shop


@dataclass
class Look:
    """How a browser looks at the shop."""

    width: int = WIDE
    scheme: str = "light"

    @property
    def size(self) -> dict[str, int]:
        """The window."""
        return {"width": self.width, "height": 844 if self.width < 600 else 900}


@pytest.fixture
def open_page(chromium: Browser, empty_shop: Shop) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page in a browser of its own: `open_page(width=390)`.

    Every page is watched: an error in a script or a request to a host that is neither the shop
    nor the checkout fails the test.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []
    known = (empty_shop.url, empty_shop.razorpay.base_url, "data:", "blob:")

    def note_request(request: Any) -> None:
        if not request.url.startswith(known):
            troubles.append(f"asked another host: {request.url}")

    def note_console(message: Any) -> None:
        # A page that says 4xx on purpose is written to the console too; that is no script error.
        if message.type == "error" and "Failed to load resource" not in message.text:
            troubles.append(f"console: {message.text}")

    def make(width: int = WIDE, scheme: str = "light", **more: Any) -> Page:
        look = Look(width, scheme)
        context = chromium.new_context(
            viewport=look.size,
            color_scheme=scheme,
            is_mobile=width < 600,
            has_touch=width < 600,
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
            **more,
        )
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", note_request)
        context.on("console", note_console)
        context.on("weberror", lambda error: troubles.append(f"script: {error.error}"))
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert troubles == []


def make_staff(role: str) -> tuple[User, TotpDevice]:
    """Return a support agent or an admin with an authenticator."""
    user = SupportFactory() if role == "support" else AdminFactory()
    key = base64.b32encode(secrets.token_bytes(20)).decode()
    return user, TotpDevice.objects.create(user=user, name="authenticator", key=key)
