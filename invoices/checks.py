"""System checks: a wrong tax setting stops the start, not the hundredth invoice."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from invoices.gstin import is_valid_gstin
from invoices.tax import parse_rate


@register()
def check_seller(**kwargs: Any) -> list[CheckMessage]:
    """Look at the seller, only once there is a GSTIN."""
    if not settings.SELLER_GSTIN:
        return []
    found: list[CheckMessage] = []
    if not is_valid_gstin(settings.SELLER_GSTIN):
        found.append(
            Error(
                "SELLER_GSTIN is no GST identification number: its shape, State or check digit "
                "is wrong.",
                hint="Copy the 15 characters from the registration certificate.",
                id="invoices.E001",
            )
        )
    for name in ("SELLER_NAME", "SELLER_ADDRESS"):
        if not getattr(settings, name):
            found.append(
                Error(
                    f"{name} is not set, but SELLER_GSTIN is: a tax invoice names its seller.",
                    id="invoices.E002",
                )
            )
    try:
        parse_rate(settings.GST_RATE_PERCENT)
    except ValueError:
        found.append(
            Error(
                "GST_RATE_PERCENT is no percentage from 0 to 100 with at most two decimals.",
                id="invoices.E003",
            )
        )
    if not (settings.SAC_CODE.isascii() and settings.SAC_CODE.isdigit()) or not (
        4 <= len(settings.SAC_CODE) <= 6
    ):
        found.append(
            Error("SAC_CODE must be four to six digits, such as 998433.", id="invoices.E004")
        )
    return found
