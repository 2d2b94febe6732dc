"""A registered seller in Karnataka, and what tests of papers share."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from invoices.services import issue_due_documents
from orders.models import Order
from tests.factories import CustomerFactory, PlanFactory, buy, give_money

GSTIN = "29AAGCB7383J1Z4"


@pytest.fixture
def registered(settings: Any) -> None:
    """The shop has a GSTIN, in Karnataka (29)."""
    settings.SELLER_NAME = "Kiosk & Daughters LLP"
    settings.SELLER_ADDRESS = "1 Mall Road, Bengaluru 560001"
    settings.SELLER_GSTIN, settings.SELLER_STATE_CODE = GSTIN, GSTIN[:2]


@pytest.fixture
def sell(registered: None) -> Callable[..., Order]:
    """Return a function that sells a plan at `price_paise` to somebody of a State."""

    def sale(price_paise: int = 199_00, state: str = "27", user: User | None = None) -> Order:
        user = user or CustomerFactory(state_code=state)
        give_money(user, price_paise)
        return buy(user, PlanFactory(price_paise=price_paise, list_price_paise=None))

    return sale


@pytest.fixture
def issue_due() -> Callable[[], int]:
    """Return what the worker's job does."""
    return issue_due_documents


def text_of(page: Any) -> str:
    """Return the words of a page, blanks as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))
