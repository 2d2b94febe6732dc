"""The pool in the console: accounts, looks at them, new passwords, and broken ones."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from catalog.admin import PlanField, PlanFilter, full_name, plan_link
from catalog.models import Delivery, Plan
from orders.services import deliver_waiting_orders
from ottsonly.admin import WindowedAdmin, chip
from ottsonly.admin_commands import Command, CommandForm, dress
from ottsonly.requests import client_ip
from subscriptions.models import Credential
from subscriptions.pool import (
    change_password,
    reopen_account,
    retire_account,
    reveal_account,
    seats_by_plan,
)
from subscriptions.services import add_credential

CREDENTIAL_TONES = {"available": "good", "full": "", "retired": "bad"}


class SecretCommand(Command):
    """A command whose form or answer holds secrets: no report of an error shows them."""

    @sensitive_variables()
    def respond(self) -> HttpResponse:
        # What sensitive_post_parameters() sets: all of them.
        self.request.sensitive_post_parameters = "__ALL__"
        return super().respond()


class RevealAccount(SecretCommand):
    """Look at the login of a stored account."""

    name, label, button = "reveal", _("Show the login"), _("Show it to me")
    permission = "subscriptions.change_credential"
    document: Credential

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [_t("That you looked is recorded, with the time and your address.")]

    @sensitive_variables()
    def run(self, data: dict[str, Any], key: str) -> HttpResponse:
        shown = reveal_account(
            credential=self.document, actor=self.actor, ip=client_ip(self.request)
        )
        labels = {"pin": _t("PIN"), "login": _t("Login"), "password": _t("Password")}
        rows = [(labels.get(name, name.capitalize()), value) for name, value in shown.items()]
        return self.page(
            "admin/subscriptions/account.html",
            {"rows": [row for row in rows if row[1]], "back_url": self.next_url()},
        )


class PasswordForm(CommandForm):
    """A new password, and a new PIN if that was changed as well."""

    new_password = forms.CharField(
        label=_("New password"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    new_pin = forms.CharField(
        label=_("New PIN"),
        required=False,
        max_length=20,
        help_text=_("Leave empty to keep the stored one."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ChangePassword(SecretCommand):
    """Store a new password for everybody who has a seat."""

    name, label, button = "password", _("Change the password"), _("Store it and tell the holders")
    permission = "subscriptions.change_credential"
    form_class, error_field = PasswordForm, "new_password"
    document: Credential

    def facts(self) -> list[tuple[Any, Any]]:
        account = self.document
        return [
            (_("Seats in use"), f"{account.seats_used} / {account.seats}"),
            (_("Due to be changed"), _("Yes") if account.rotation_due else _("No")),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        told = change_password(
            credential=self.document,
            password=data["new_password"],
            pin=data["new_pin"] or None,
            actor=self.actor,
        )
        deliver_waiting_orders()
        return (
            ngettext(
                "The password is stored; %d holder was told.",
                "The password is stored; %d holders were told.",
                told,
            )
            % told
        )


class ReasonForm(CommandForm):
    """Why."""

    reason = forms.CharField(label=_("Reason"), max_length=200)


class RetireAccount(Command):
    """Retire a broken account and move its holders."""

    name, label, button = "retire", _("Retire and move the holders"), _("Retire it")
    permission = "subscriptions.change_credential"
    form_class, confirms, danger = ReasonForm, True, True
    document: Credential

    def is_offered(self) -> bool:
        return self.document.state != Credential.State.RETIRED or self.document.seats_used > 0

    def facts(self) -> list[tuple[Any, Any]]:
        plan = self.document.plan
        (seats,) = seats_by_plan([plan])
        return [
            (_("Plan"), full_name(plan)),
            (_("Holders"), self.document.seats_used),
            (_("Free seats of the plan"), max(0, seats.free)),
        ]

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [
            _t("Nobody gets a seat of this account again."),
            _t("Each holder moves to another account of the plan and is told; no date changes."),
            _t("Who finds no free seat is told so, and is the first to get the next."),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        done = retire_account(credential=self.document, reason=data["reason"], actor=self.actor)
        told = _t("Retired. %(moved)d moved to another account, %(waiting)d wait for a seat.") % {
            "moved": done.moved,
            "waiting": done.waiting,
        }
        if done.left:
            told += " " + _t("%d could not be moved yet: the worker tries again.") % done.left
        return told


class ReopenAccount(Command):
    """Return a wrongly retired account to the pool."""

    name, label, button = "reopen", _("Return to the pool"), _("Return it")
    permission = "subscriptions.change_credential"
    form_class, confirms = ReasonForm, True
    document: Credential

    def is_offered(self) -> bool:
        retired = self.document.state == Credential.State.RETIRED
        return retired and self.document.moving_since is None

    def facts(self) -> list[tuple[Any, Any]]:
        account = self.document
        return [
            (_("Plan"), full_name(account.plan)),
            (_("Seats in use"), f"{account.seats_used} / {account.seats}"),
            (_("Due to be changed"), _("Yes") if account.rotation_due else _("No")),
        ]

    def effects(self, data: dict[str, Any]) -> list[str]:
        told = [_t("Its free seats are given out again. Who was moved elsewhere stays there.")]
        if self.document.rotation_due:
            told.append(_t("Nobody new gets a seat before its password was changed."))
        else:
            told.append(_t("Who waits for a seat of this plan gets one at once, longest first."))
        return told

    def run(self, data: dict[str, Any], key: str) -> str:
        reopen_account(credential=self.document, reason=data["reason"], actor=self.actor)
        deliver_waiting_orders()
        return _t("The account is in the pool again.")


class CredentialAddForm(forms.ModelForm):
    """A new account; afterwards its secrets are never shown in the console's forms."""

    plan = PlanField(Plan.objects.exclude(delivery=Delivery.CUSTOMER_EMAIL))

    class Meta:
        model = Credential
        fields = ["plan", "login", "password", "pin", "profile", "notes", "seats"]
        widgets = {
            "login": forms.TextInput,
            "password": forms.TextInput(attrs={"autocomplete": "off"}),
            "pin": forms.TextInput(attrs={"autocomplete": "off"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Unfold dresses only the fields that a form leaves to it.
        for name in ("plan", "login", "password", "pin"):
            dress(self.fields[name].widget)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        plan: Plan | None = cleaned.get("plan")
        login = cleaned.get("login")
        if plan and login:
            fingerprint = Credential.fingerprint_of(platform_id=plan.platform_id, login=login)
            if Credential.objects.filter(fingerprint=fingerprint).exists():
                self.add_error("login", _t("An account with this login is already stored."))
        return cleaned


@admin.register(Credential)
class CredentialAdmin(WindowedAdmin):
    """The pool: counts and states, no secrets."""

    list_display = (
        "__str__",
        "full_plan",
        "profile",
        "seats",
        "seats_used",
        "state_chip",
        "due_chip",
    )
    list_filter = ("state", "rotation_due", ("plan", PlanFilter))
    list_prefetch = ("plan__platform",)
    narrow_parameters = ("plan__id__exact", "imported_by__id__exact")
    window_days = 90
    list_before_template = "admin/subscriptions/seats.html"
    commands = [RevealAccount, ChangePassword, RetireAccount, ReopenAccount]
    empty_text = _("No account here. Add one, and whoever waits gets a seat; or look further back.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("subscriptions.add_credential")

    def get_queryset(self, request: HttpRequest) -> Any:
        # Only the command that shows them reads the secrets.
        return super().get_queryset(request).without_secrets()

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = CredentialAddForm
        return super().get_form(request, obj, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": CredentialAddForm.Meta.fields})]
        shown = ["full_plan", "profile", "notes", "seats", "seats_used", "state_chip", "due_chip"]
        return [(None, {"fields": [*shown, "imported_by", "created_at"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("full_plan", "state_chip", "due_chip")

    @admin.display(description=_("Plan"))
    def full_plan(self, account: Credential) -> SafeString:
        return plan_link(account.plan)

    @admin.display(description=_("State"))
    def state_chip(self, account: Credential) -> SafeString:
        return chip(account.get_state_display(), CREDENTIAL_TONES[account.state])

    @admin.display(description=_("Password"))
    def due_chip(self, account: Credential) -> SafeString:
        return chip(_t("due to be changed"), "warn") if account.rotation_due else chip(_t("in use"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        plans = Plan.objects.exclude(delivery=Delivery.CUSTOMER_EMAIL).select_related("platform")
        ordered = plans.filter(is_active=True).order_by("platform__name", "name")
        context = {"plan_seats": seats_by_plan(list(ordered)), **(extra_context or {})}
        return super().changelist_view(request, context)

    @method_decorator([sensitive_post_parameters(), sensitive_variables()])
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        """Keep what is typed here out of the report of an error."""
        return super().changeform_view(*args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        stored = add_credential(actor=request.user, **form.cleaned_data)
        obj.pk, obj.fingerprint = stored.pk, stored.fingerprint
        obj._state.adding = False
        deliver_waiting_orders()
