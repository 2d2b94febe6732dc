"""A production start that would be open or lead nowhere is refused by the system check."""

from typing import Any

import pytest
from django.core.checks import run_checks


def ids() -> set[str]:
    return {str(found.id) for found in run_checks() if str(found.id).startswith("accounts.")}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, set()),
        ({"SITE_URL_IS_SET": False}, {"accounts.E002"}),
        ({"SITE_URL": "shop.example"}, {"accounts.E002"}),
        ({"SITE_URL": "http://shop.example"}, {"accounts.E003"}),
        ({"SITE_URL": "http://localhost:8000"}, set()),
        ({"SMS_BACKEND": "accounts.sms.ConsoleSms"}, {"accounts.E004"}),
        ({"DEMO_LOGIN_CODE": "123456"}, {"accounts.E001"}),
    ],
)
def test_what_is_unsafe_outside_debug_is_an_error(
    settings: Any, changed: dict[str, Any], found: set[str]
) -> None:
    settings.SITE_URL, settings.SITE_URL_IS_SET = "https://shop.example", True
    for name, value in changed.items():
        setattr(settings, name, value)
    assert ids() == found
    settings.DEBUG = True
    assert ids() == set()
