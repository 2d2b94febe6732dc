"""Forms of the log-in and the profile."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.errors import InvalidPhone
from accounts.models import User
from accounts.phones import parse_phone


class PhoneForm(forms.Form):
    """The phone, in any notation; cleaned it is E.164."""

    phone = forms.CharField(
        label=_("Phone number"),
        max_length=40,
        help_text=_("For example 98765 43210, or with a country code: +44 7400 123456."),
        widget=forms.TextInput(
            attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel", "autofocus": True}
        ),
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_phone(self) -> str:
        try:
            return parse_phone(self.cleaned_data["phone"])
        except InvalidPhone as error:
            raise forms.ValidationError(str(error)) from error


class NewPhoneForm(PhoneForm):
    """The phone that shall take the place of the present one."""

    next = None  # type: ignore[assignment]

    def __init__(self, *args: Any, present: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["phone"].label = _("New phone number")
        self._present = present

    def clean_phone(self) -> str:
        phone = super().clean_phone()
        if phone == self._present:
            raise forms.ValidationError(_("This is your number already."))
        return phone


class CodeForm(forms.Form):
    """The six digits that were sent."""

    code = forms.CharField(
        label=_("Six-digit code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "maxlength": "7",
                "autofocus": True,
            }
        ),
    )

    def clean_code(self) -> str:
        code = "".join(self.cleaned_data["code"].split())
        if not (code.isascii() and code.isdigit() and len(code) == 6):
            # Not a try: it cannot be the code that was sent.
            raise forms.ValidationError(_("The code has six digits."))
        return code


class TokenForm(forms.Form):
    """The second factor."""

    token = forms.CharField(
        label=_("Code"),
        max_length=40,
        help_text=_("Six digits from the authenticator app, or one of the backup codes."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )


class ProfileForm(forms.ModelForm):
    """What customers may say of themselves."""

    class Meta:
        model = User
        fields = ("name", "email", "state_code")
        labels: ClassVar[dict[str, Any]] = {"email": _("Email")}
        widgets: dict[str, Any] = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.SELLER_GSTIN:
            del self.fields["state_code"]
