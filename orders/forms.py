"""The form of the confirm page."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.gst_states import STATES
from catalog.models import Delivery, Plan


class ConfirmForm(forms.Form):
    """The signed quote, and what else the purchase needs: an address to invite, a State."""

    quote = forms.CharField(widget=forms.HiddenInput, max_length=1000)
    customer_email = forms.EmailField(
        label=_("Email of your own account"),
        help_text=_("The invitation is sent to this address."),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    state_code = forms.ChoiceField(
        label=_("Your State"),
        help_text=_("It goes on the tax invoice. You are asked once; your profile keeps it."),
        choices=[("", _("Choose")), *STATES.items()],
        widget=forms.Select(attrs={"autocomplete": "address-level1"}),
    )

    def __init__(
        self,
        *args: Any,
        plan: Plan,
        asks_email: bool = True,
        asks_state: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not asks_state:
            del self.fields["state_code"]
        if plan.delivery != Delivery.CUSTOMER_EMAIL or not asks_email:
            del self.fields["customer_email"]
