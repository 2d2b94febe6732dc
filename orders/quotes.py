"""The signed quote that a confirm page carries: what was shown is what is bought."""

import secrets
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.translation import gettext as _

from catalog.models import Plan
from orders.errors import OrderRefused

SALT = "orders.quote"


@dataclass(frozen=True)
class Quote:
    """What a customer was shown.

    Args:
        user_id, plan_id: ids as text.
        price_paise: the price shown.
        duration_days: the days shown.
        key: the purchase key; one form, one key, at most one order.
    """

    user_id: str
    plan_id: str
    price_paise: int
    duration_days: int
    key: str


def quote_for(*, user: Any, plan: Plan, key: str = "") -> str:
    """Return a signed quote for `plan`, with a new purchase key unless one is carried on."""
    quote = Quote(
        user_id=str(user.pk),
        plan_id=str(plan.pk),
        price_paise=plan.price_paise,
        duration_days=plan.duration_days,
        key=key or secrets.token_urlsafe(24),
    )
    return signing.dumps(asdict(quote), salt=SALT)


def read_quote(text: str, *, user: Any, plan: Plan) -> Quote:
    """Return the quote that `text` carries.

    Raises:
        OrderRefused: it is forged, too old, another customer's or another plan's.
    """
    try:
        quote = Quote(**signing.loads(text, salt=SALT, max_age=settings.QUOTE_LIFETIME_SECONDS))
    except signing.BadSignature:
        raise OrderRefused(_("This page was open too long. Please look at it again.")) from None
    if quote.user_id != str(user.pk) or quote.plan_id != str(plan.pk):
        raise OrderRefused(_("This page belongs to another purchase. Please look at it again."))
    return quote
