"""The pages for what went wrong: served, helpful, and standing without what may have failed."""

import re
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.test import Client, RequestFactory
from django.urls import get_resolver

from ottsonly import error_pages
from tests.factories import SupportFactory

CONTACT = ("help@shop.example", "https://wa.me/911", "https://t.me/shop")


@pytest.fixture(autouse=True)
def as_in_production(settings: Any) -> None:
    settings.DEBUG = False
    settings.SECURE_SSL_REDIRECT = False
    settings.SUPPORT_EMAIL, settings.SUPPORT_WHATSAPP_URL, settings.SUPPORT_TELEGRAM_URL = CONTACT


def check(answer: Any, status: int, *words: str) -> str:
    text = answer.content.decode()
    assert answer.status_code == status
    for word in (*words, *CONTACT):
        assert word in text
    assert re.search(r'<a class="btn is-primary" href="/', text)
    return text


@pytest.mark.django_db
def test_404_says_where_to_look(customer, client_for):
    check(Client().get("/nowhere/"), 404, "There is nothing here", "found after logging in")
    check(client_for(customer).get("/orders/XXXX/"), 404, "logged in with the number")


@pytest.mark.django_db
def test_403_tells_staff_and_customers_apart(customer, client_for):
    check(client_for(SupportFactory()).get("/wallet/"), 403, "To the console", "Staff buy nothing")
    check(
        client_for(customer).get("/admin/login/"), 403, "This door is not yours", "log out and in"
    )


@pytest.mark.django_db
def test_a_form_without_its_token_is_explained(customer):
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/login/", {"phone": "98765 43210"})
    check(answer, 403, "Your browser kept no cookie", "Allow cookies")
    client.get("/login/")
    check(client.post("/login/", {"phone": "98765 43210"}), 403, "This form is too old")
    client.force_login(customer)
    text = check(client.post("/notifications/read/"), 403, "This form is too old")
    assert customer.phone_display in text


@pytest.mark.django_db
def test_429_says_when_to_come_back():
    request = RequestFactory().get("/")
    answer = error_pages.too_many_requests(request, seconds=60)
    check(answer, 429, "That was asked too often.", "Please wait a little")
    assert answer.headers["Retry-After"] == "60"


def test_a_failure_shows_the_page_for_it_without_the_database(monkeypatch, caplog):
    """Not marked for the database: the slightest query in the page would fail the test."""

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr("help_pages.views.all_pages", broken)
    client = Client(raise_request_exception=False)
    text = check(client.get("/help/"), 500, "Something broke on our side", "whole or not at all")
    assert "the database is away" not in text
    assert "Log in" not in text


def test_a_broken_request_is_answered_without_the_database(monkeypatch):
    def suspicious(*args: Any, **kwargs: Any) -> None:
        raise SuspiciousOperation("odd")

    monkeypatch.setattr("help_pages.views.all_pages", suspicious)
    check(Client().get("/help/"), 400, "That request was not understood")


def test_when_even_the_page_not_found_fails_the_500_page_stands(monkeypatch):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr("notifications.context_processors.Header.__init__", broken)
    answer = Client(raise_request_exception=False).get("/nowhere/")
    check(answer, 500, "Something broke on our side")


def test_without_contacts_no_empty_line_is_shown(settings):
    settings.SUPPORT_EMAIL = settings.SUPPORT_WHATSAPP_URL = settings.SUPPORT_TELEGRAM_URL = ""
    answer = error_pages.server_error(RequestFactory().get("/"))
    assert b"Still stuck" not in answer.content


def test_the_resolver_knows_all_four():
    resolver = get_resolver()
    found = {code: resolver.resolve_error_handler(code) for code in (400, 403, 404, 500)}
    assert found == {
        400: error_pages.bad_request,
        403: error_pages.permission_denied,
        404: error_pages.page_not_found,
        500: error_pages.server_error,
    }


def test_503_when_a_conflict_outlasts_every_try_and_nothing_is_taken(
    customer, client_for, raw_client, monkeypatch
):
    from django.db import connection

    from orders.models import Order
    from orders.quotes import quote_for
    from ottsonly import mongo
    from tests.factories import PlanFactory, give_money
    from wallet.services import balance_of

    monkeypatch.setattr(mongo, "LONGEST_PAUSE_SECONDS", 0.002)
    plan = PlanFactory()
    give_money(customer, 500_00)
    form = {"quote": quote_for(user=customer, plan=plan)}
    wallets = raw_client[connection.settings_dict["NAME"]]["wallets"]
    client = client_for(customer)
    with raw_client.start_session() as session, session.start_transaction():
        # Somebody who does not let go of the wallet.
        wallets.update_one({"user_id": customer.pk}, {"$inc": {"sequence": 0}}, session=session)
        wallets.update_one({"user_id": customer.pk}, {"$set": {"held": 1}}, session=session)
        answer = client.post(plan.buy_url, form)
        session.abort_transaction()
    check(answer, 503, "Very busy just now", "the same form never buys twice")
    assert answer["Retry-After"] == "5"
    assert (Order.objects.count(), balance_of(customer.pk)) == (0, 500_00)
    assert client.post(plan.buy_url, form).status_code == 302
    assert Order.objects.count() == 1
