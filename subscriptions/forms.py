"""The form with which a customer says that something does not work."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from catalog.models import Delivery
from subscriptions.models import ProblemReport, Subscription

# What cannot go wrong with an account of the customer's own, and what only can with one.
OF_OUR_ACCOUNTS = {ProblemReport.Category.REFUSED, ProblemReport.Category.PROFILE}
OF_OWN_ACCOUNTS = {ProblemReport.Category.INVITATION}


class ProblemForm(forms.Form):
    """What is wrong, by choice and in words."""

    category = forms.ChoiceField(
        label=_("What is wrong?"),
        error_messages={"required": _("Choose what is wrong.")},
    )
    text = forms.CharField(
        label=_("Tell us more (optional)"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What you saw, and on which device. Please write no password here."),
    )

    def __init__(self, *args: Any, subscription: Subscription, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own_account = subscription.delivery == Delivery.CUSTOMER_EMAIL
        left_out = OF_OUR_ACCOUNTS if own_account else OF_OWN_ACCOUNTS
        category = self.fields["category"]
        assert isinstance(category, forms.ChoiceField)
        category.choices = [
            ("", _("Choose…")),
            *(
                (value, label)
                for value, label in ProblemReport.Category.choices
                if value not in left_out
            ),
        ]
