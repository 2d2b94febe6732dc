"""Money is integer paise everywhere; only forms and templates speak rupees."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

PAISE_PER_RUPEE = 100


def format_rupees(paise: int) -> str:
    """Return `paise` as "₹1,29,900" or "-₹12.50", with India's grouping (3, then 2 by 2)."""
    rupees, rest = divmod(abs(paise), PAISE_PER_RUPEE)
    digits = str(rupees)
    head, tail = digits[:-3], digits[-3:]
    groups = [tail]
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    text = ",".join(groups) + (f".{rest:02d}" if rest else "")
    return f"{'−' if paise < 0 else ''}₹{text}"


def plain_rupees(paise: int) -> str:
    """Return `paise` as a form field shows it: "1299" or "1299.50"."""
    rupees, rest = divmod(paise, PAISE_PER_RUPEE)
    return f"{rupees}.{rest:02d}" if rest else str(rupees)


def decimal_rupees(paise: int) -> str:
    """Return `paise` as other programs read it, always with both decimals: "-12.50"."""
    rupees, rest = divmod(abs(paise), PAISE_PER_RUPEE)
    return f"{'-' if paise < 0 else ''}{rupees}.{rest:02d}"


class RupeesField(forms.CharField):
    """A form field in rupees ("₹1,299.50") that cleans to integer paise, or None when empty."""

    _AMOUNT = re.compile(r"^(-?)(\d{1,9})(?:\.(\d{1,2}))?$", re.ASCII)

    def __init__(
        self,
        *,
        min_paise: int | None = None,
        max_paise: int | None = None,
        allow_negative: bool = False,
        **kwargs: Any,
    ) -> None:
        self.min_paise, self.max_paise = min_paise, max_paise
        self.allow_negative = allow_negative
        super().__init__(**kwargs)
        self.widget.attrs.setdefault("inputmode", "decimal")
        self.widget.attrs.setdefault("autocomplete", "off")

    def prepare_value(self, value: Any) -> Any:
        return plain_rupees(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        bare = re.sub(r"[₹,\s]|^Rs\.?", "", text)
        match = self._AMOUNT.match(bare)
        if not match or (match[1] and not self.allow_negative):
            raise ValidationError(_("Enter an amount in rupees, such as 500 or 499.50."))
        paise = int(Decimal(f"{match[2]}.{match[3] or '0'}") * PAISE_PER_RUPEE)
        paise = -paise if match[1] else paise
        if self.min_paise is not None and paise < self.min_paise:
            raise ValidationError(
                _("The smallest amount is %(amount)s.") % {"amount": format_rupees(self.min_paise)}
            )
        if self.max_paise is not None and paise > self.max_paise:
            raise ValidationError(
                _("The largest amount is %(amount)s.") % {"amount": format_rupees(self.max_paise)}
            )
        return paise
