"""Forms of the wallet."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from ottsonly.money import RupeesField
from wallet.models import KINDS

MONTH = r"^[12]\d{3}-(0[1-9]|1[0-2])$"


class TopUpForm(forms.Form):
    """How much to add; the key makes a second click the same top-up."""

    amount = RupeesField(label=_("Amount"))
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    next = forms.CharField(widget=forms.HiddenInput, required=False, max_length=300)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        amount = cast(RupeesField, self.fields["amount"])
        amount.min_paise, amount.max_paise = settings.TOPUP_MIN_PAISE, settings.TOPUP_MAX_PAISE


class StatementForm(forms.Form):
    """The kind and the month of the entries that a statement shows."""

    kind = forms.ChoiceField(
        label=_("Kind"), required=False, choices=[("", _("All")), *KINDS.items()]
    )
    month = forms.RegexField(
        MONTH,
        label=_("Month"),
        required=False,
        widget=forms.TextInput(attrs={"type": "month", "placeholder": "2026-01"}),
        error_messages={"invalid": _("Enter a month such as 2026-01.")},
    )
