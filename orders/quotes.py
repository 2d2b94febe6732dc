"""The signed quote that a confirm page carries: what was shown is what is bought."""

import secrets
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.translation import gettext as _

from catalog.models import Plan
from orders.errors import OrderRefused
from subscriptions.models import Subscription

SALT = "orders.quote"


@dataclass(frozen=True)
class Quote:
    """What a customer was shown.

    Args:
        user_id, plan_id: ids as text.
        price_paise: the price shown.
        duration_days: the days shown.
        key: the purchase key; one form, one key, at most one order.
        renews: id of the subscription that gets the days, as text; empty for a new purchase.
    """

    user_id: str
    plan_id: str
    price_paise: int
    duration_days: int
    key: str
    renews: str = ""


def quote_for(*, user: Any, plan: Plan, key: str = "", renews: Subscription | None = None) -> str:
    """Return a signed quote for `plan`, with a new purchase key unless one is carried on.

    Args:
        renews: the subscription that gets the days; None for a new purchase.
    """
    quote = Quote(
        user_id=str(user.pk),
        plan_id=str(plan.pk),
        price_paise=plan.price_paise,
        duration_days=plan.duration_days,
        key=key or secrets.token_urlsafe(24),
        renews=str(renews.pk) if renews else "",
    )
    return signing.dumps(asdict(quote), salt=SALT)


def read_quote(text: str, *, user: Any, plan: Plan, renews: Subscription | None = None) -> Quote:
    """Return the quote that `text` carries.

    Raises:
        OrderRefused: it is forged, too old, another customer's, another plan's, or not for this
            subscription.
    """
    try:
        quote = Quote(**signing.loads(text, salt=SALT, max_age=settings.QUOTE_LIFETIME_SECONDS))
    except (signing.BadSignature, TypeError):
        # TypeError: signed by an older release with other fields.
        raise OrderRefused(_("This page was open too long. Please look at it again.")) from None
    meant = (str(user.pk), str(plan.pk), str(renews.pk) if renews else "")
    if (quote.user_id, quote.plan_id, quote.renews) != meant:
        raise OrderRefused(_("This page belongs to another purchase. Please look at it again."))
    return quote
