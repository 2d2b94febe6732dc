"""What costs money or work is counted, and the limit says so in a sentence."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import OneTimeCode
from subscriptions.models import Reveal
from tests.accounts.conftest import ask_code
from tests.factories import CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db
ABROAD = ("+44 7400 123456", "+44 7400 123457", "+1 201 555 0123")


def test_codes_abroad_are_counted_together_and_those_at_home_go_on(
    sent: list, settings: Any
) -> None:
    settings.OTP_ABROAD_PER_HOUR = 2
    answers = [ask_code(Client(), phone) for phone in ABROAD]
    assert [answer.status_code for answer in answers] == [302, 302, 429]
    assert "more codes abroad just now" in answers[2].content.decode()
    assert (len(sent), OneTimeCode.objects.count()) == (2, 2)
    assert ask_code(Client(), "98765 43210").status_code == 302
    assert len(sent) == 3


def test_addresses_of_one_ipv6_network_share_their_limit(sent: list, settings: Any) -> None:
    settings.OTP_PER_IP_PER_HOUR = 2
    answers = [
        ask_code(Client(REMOTE_ADDR=f"2001:db8:1:{net}::{host}"), f"98765 4321{host}").status_code
        for net, host in ((2, 1), (2, 2), (2, 3), (3, 4))
    ]
    assert answers == [302, 302, 429, 302]
    assert len(sent) == 3


def test_files_papers_and_looks_have_a_limit(client_for: Any, settings: Any) -> None:
    settings.EXPORTS_PER_HOUR = settings.PDFS_PER_HOUR = settings.REVEALS_PER_HOUR = 1
    customer, plan = CustomerFactory(), PlanFactory()
    add_account(plan)
    give_money(customer, 199_00)
    order = buy(customer, plan)
    client = client_for(customer)
    reveal = f"/subscriptions/{order.subscription_id}/credentials/"
    for ask, address in (
        (client.post, "/profile/data/export/"),
        (client.get, f"/receipts/orders/{order.pk}/pdf/"),
        (client.post, reveal),
    ):
        assert ask(address).status_code == 200
        refused = ask(address)
        assert (refused.status_code, refused["Retry-After"]) == (429, "3600")
        assert "Please wait a little" in refused.content.decode()
    assert Reveal.objects.count() == 1
    inside = client.post(reveal, headers={"HX-Request": "true"})
    assert inside["HX-Redirect"] == f"/subscriptions/{order.subscription_id}/"
    assert "You looked very often." in client.get(inside["HX-Redirect"]).content.decode()
