"""The form of the confirm page."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from catalog.models import Delivery, Plan


class ConfirmForm(forms.Form):
    """The signed quote, and the address for plans delivered to the customer's own account."""

    quote = forms.CharField(widget=forms.HiddenInput, max_length=1000)
    customer_email = forms.EmailField(
        label=_("Email of your own account"),
        help_text=_("The invitation is sent to this address."),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def __init__(self, *args: Any, plan: Plan, asks_email: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if plan.delivery != Delivery.CUSTOMER_EMAIL or not asks_email:
            del self.fields["customer_email"]
