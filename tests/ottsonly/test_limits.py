"""Limits count in the database, so that every process counts together."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from django.db import connection

from ottsonly.limits import allow
from ottsonly.models import Counter
from ottsonly.requests import client_ip, network_of

pytestmark = pytest.mark.django_db(transaction=True)


def use(_number: int = 0) -> bool:
    try:
        return allow("code-phone:+919876543210", limit=3, seconds=600)
    finally:
        connection.close()


def test_as_many_as_the_limit_and_a_new_window_begins_anew() -> None:
    with time_machine.travel("2026-11-25 10:00+00:00", tick=False):
        assert [use() for _unused in range(5)] == [True, True, True, False, False]
        assert allow("code-phone:+919876543211", limit=3, seconds=600)
        assert allow("code-ip:+919876543210", limit=3, seconds=600)
    with time_machine.travel("2026-11-25 10:09:59+00:00", tick=False):
        assert not use()
    with time_machine.travel("2026-11-25 10:10+00:00", tick=False):
        assert use()


def test_of_twelve_at_once_three_are_allowed() -> None:
    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(use, range(12))) == [False] * 9 + [True] * 3


def test_a_counter_holds_no_phone_and_ends_with_its_window() -> None:
    with time_machine.travel("2026-11-25 10:00+00:00", tick=False):
        use()
    row = connection.database[Counter._meta.db_table].find_one()
    assert "9876543210" not in str(row)
    assert row["expires_at"].isoformat() == "2026-11-25T10:10:00"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "10.0.0.9"),
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.8", "1.2.3.4"),
        (2, "1.2.3.4", "10.0.0.9"),
        (1, "", "10.0.0.9"),
    ],
)
def test_an_address_is_believed_for_as_many_proxies_as_are_ours(
    rf: Any, settings: Any, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert client_ip(rf.get("/", REMOTE_ADDR="10.0.0.9", **headers)) == address


@pytest.mark.parametrize(
    ("ip", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", ""),
    ],
)
def test_an_address_of_ipv6_counts_with_its_network(ip: str, counted: str) -> None:
    assert network_of(ip) == counted
