"""The filter of the shop window."""

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from ottsonly.money import RupeesField

SORTS = [
    ("", _("By platform")),
    ("price", _("Price, low to high")),
    ("-price", _("Price, high to low")),
    ("saving", _("Biggest saving")),
]


class PlanFilterForm(forms.Form):
    """Search, platform, sort, price range, in stock; read by GET, every field optional."""

    q = forms.CharField(label=_("Search"), required=False, max_length=60)
    platform = forms.ChoiceField(label=_("Platform"), required=False)
    sort = forms.ChoiceField(label=_("Sort"), required=False, choices=SORTS)
    min_price = RupeesField(label=_("From ₹"), required=False, min_paise=0)
    max_price = RupeesField(label=_("Up to ₹"), required=False, min_paise=0)
    in_stock = forms.BooleanField(label=_("In stock only"), required=False)

    def __init__(self, *args: Any, platforms: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        platform = cast(forms.ChoiceField, self.fields["platform"])
        platform.choices = [("", _("All platforms")), *platforms]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        low, high = cleaned.get("min_price"), cleaned.get("max_price")
        if low is not None and high is not None and low > high:
            self.add_error("max_price", _("This is below the lowest price you chose."))
        return cleaned
