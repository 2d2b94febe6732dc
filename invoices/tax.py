"""The tax inside a price, exact to the paisa.

Prices include the tax. It is taken out of the whole price once and rounded half up to a paisa; the
taxable value is the rest, so the parts always sum to the price. Within a State both halves (CGST
and SGST, or UTGST) are the same tax on the same value, so one half is rounded and counted twice.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

HUNDRED_PERCENT = 10_000


@dataclass(frozen=True)
class TaxSplit:
    """The parts of an amount, in paise."""

    taxable_paise: int
    cgst_paise: int = 0
    sgst_paise: int = 0
    igst_paise: int = 0

    @property
    def tax_paise(self) -> int:
        return self.cgst_paise + self.sgst_paise + self.igst_paise

    @property
    def total_paise(self) -> int:
        return self.taxable_paise + self.tax_paise


def split_price(price_paise: int, *, rate_bp: int, within_state: bool) -> TaxSplit:
    """Take the tax out of a price that includes it.

    Args:
        price_paise: what is paid.
        rate_bp: the rate in hundredths of a percent: 1800 is 18 %.
        within_state: place of supply and seller are in the same State.
    """
    whole = HUNDRED_PERCENT + rate_bp
    if within_state:
        half = _rounded(price_paise * rate_bp, 2 * whole)
        return TaxSplit(price_paise - 2 * half, cgst_paise=half, sgst_paise=half)
    tax = _rounded(price_paise * rate_bp, whole)
    return TaxSplit(price_paise - tax, igst_paise=tax)


def split_credit(invoiced: TaxSplit, *, before_paise: int, amount_paise: int) -> TaxSplit:
    """Return the part of an invoice that a refund gives back.

    The parts are those of everything given back so far, less those given back before: whatever the
    steps, once the whole price is back the credit notes sum to the invoice. Within one note the
    halves may differ by a paisa.

    Args:
        before_paise: what earlier credit notes of the invoice gave back.
        amount_paise: what this one gives back.
    """
    after, before = (
        _given_back(invoiced, paise) for paise in (before_paise + amount_paise, before_paise)
    )
    return TaxSplit(
        after.taxable_paise - before.taxable_paise,
        after.cgst_paise - before.cgst_paise,
        after.sgst_paise - before.sgst_paise,
        after.igst_paise - before.igst_paise,
    )


def _given_back(invoiced: TaxSplit, paise: int) -> TaxSplit:
    if not paise:
        return TaxSplit(0)
    tax = _rounded(invoiced.tax_paise * paise, invoiced.total_paise)
    if invoiced.igst_paise:
        return TaxSplit(paise - tax, igst_paise=tax)
    return TaxSplit(paise - tax, cgst_paise=tax - tax // 2, sgst_paise=tax // 2)


def _rounded(numerator: int, denominator: int) -> int:
    """Divide and round half up; neither is negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def parse_rate(text: str) -> int:
    """Return a rate such as "18" or "0.25" in hundredths of a percent.

    Raises:
        ValueError: it is no percentage from 0 to 100 of at most two decimals.
    """
    try:
        rate = Decimal(text) * 100
    except InvalidOperation:
        raise ValueError(text) from None
    if not rate.is_finite() or rate != int(rate) or not 0 <= rate <= HUNDRED_PERCENT:
        raise ValueError(text)
    return int(rate)


def percent_text(rate_bp: float) -> str:
    """Return a rate as people write it: "18%", "2.5%", "0.125%"."""
    return f"{rate_bp / 100:.3f}".rstrip("0").rstrip(".") + "%"
