"""Stored accounts and subscriptions in the console."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts.admin import by_person
from catalog.models import Plan
from console.hands import Work, counted, moment, needs_hands
from orders.services import deliver_waiting_orders
from ottsonly.admin import ConsoleAdmin, WindowedAdmin, chip
from subscriptions.models import ENDING_DAYS, Credential, Extension, Reminder, Reveal, Subscription
from subscriptions.services import add_credential, change_password


class CredentialAddForm(forms.ModelForm):
    """A new account; afterwards its secrets are never shown in the console's forms."""

    class Meta:
        model = Credential
        fields = ["plan", "login", "password", "pin", "profile", "notes", "seats"]
        widgets = {
            "login": forms.TextInput,
            "password": forms.TextInput(attrs={"autocomplete": "off"}),
            "pin": forms.TextInput(attrs={"autocomplete": "off"}),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        plan: Plan | None = cleaned.get("plan")
        login = cleaned.get("login")
        if plan and login:
            fingerprint = Credential.fingerprint_of(platform_id=plan.platform_id, login=login)
            if Credential.objects.filter(fingerprint=fingerprint).exists():
                self.add_error("login", _t("An account with this login is already stored."))
        return cleaned


class PasswordForm(forms.ModelForm):
    """A new password for a stored account; empty leaves the old one."""

    new_password = forms.CharField(
        required=False, help_text=_("Leave empty to keep the stored one.")
    )

    class Meta:
        model = Credential
        fields: list[str] = []


@admin.register(Credential)
class CredentialAdmin(ConsoleAdmin):
    """The pool: counts and states, no secrets."""

    list_display = ("__str__", "plan", "profile", "seats", "seats_used", "state", "rotation_due")
    list_filter = ("state", "rotation_due", "plan")
    list_select_related = ("plan",)
    empty_text = _("The pool is empty: add an account, and whoever waits gets a seat.")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = CredentialAddForm
        elif self.has_change_permission(request, obj):
            kwargs["form"] = PasswordForm
        return super().get_form(request, obj, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = ["plan", "profile", "notes", "seats", "seats_used", "state", "rotation_due"]
        if obj is None:
            return [(None, {"fields": CredentialAddForm.Meta.fields})]
        if self.has_change_permission(request, obj):
            shown.append("new_password")
        return [(None, {"fields": shown})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return ("plan", "profile", "notes", "seats", "seats_used", "state", "rotation_due")

    @method_decorator([sensitive_post_parameters(), sensitive_variables()])
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        """Keep what is typed here out of the report of an error."""
        return super().changeform_view(*args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        if change:
            if form.cleaned_data["new_password"]:
                change_password(
                    credential=obj,
                    password=form.cleaned_data["new_password"],
                    actor=request.user,
                )
        else:
            stored = add_credential(actor=request.user, **form.cleaned_data)
            obj.pk, obj.fingerprint = stored.pk, stored.fingerprint
            obj._state.adding = False
        deliver_waiting_orders()


class EndingFilter(admin.SimpleListFilter):
    """What ends soon, whenever it began."""

    title, parameter_name = _("ending"), "ending"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("within 3 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() != "1":
            return queryset
        now = timezone.now()
        return queryset.filter(
            state=Subscription.State.ACTIVE,
            ends_at__gt=now,
            ends_at__lte=now + timedelta(days=ENDING_DAYS),
            delivered_at__isnull=False,
        )


SUBSCRIPTION_TONES = {"active": "good", "ending": "warn", "waiting": "warn", "cancelled": "bad"}


@admin.register(Subscription)
class SubscriptionAdmin(WindowedAdmin):
    """Subscriptions as they are; what changes them goes by the services."""

    list_display = ("created_at", "__str__", "user", "state_chip", "delivery", "ends_at")
    list_filter = ("state", EndingFilter, "delivery")
    list_prefetch = ("user",)
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    narrow_parameters = ("user__id__exact", "ending")
    exclude = ("hue", "mark")
    empty_text = _("No subscription began in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return by_person(text)

    @admin.display(description=_("State"))
    def state_chip(self, subscription: Subscription) -> SafeString:
        return chip(subscription.status_text, SUBSCRIPTION_TONES.get(subscription.status, ""))


@admin.register(Extension)
class ExtensionAdmin(WindowedAdmin):
    """Days that were given without payment."""

    list_display = ("created_at", "subscription", "days", "reason", "actor")
    list_prefetch = ("subscription", "actor")
    exclude = ("key",)
    empty_text = _("No days were given in this time. Look further back.")


@admin.register(Reveal)
class RevealAdmin(WindowedAdmin):
    """Who looked at which login details."""

    list_display = ("created_at", "user", "credential", "subscription", "ip")
    list_prefetch = ("user", "credential", "subscription")
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the person who looked")
    narrow_parameters = ("user__id__exact",)
    empty_text = _("Nobody looked at login details in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return by_person(text)


@admin.register(Reminder)
class ReminderAdmin(WindowedAdmin):
    """What customers were told about an end, and what of it left by SMS or e-mail."""

    list_display = ("created_at", "user", "kind", "ends_at", "state", "channels", "last_error")
    list_filter = ("state", "kind")
    list_prefetch = ("user",)
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    narrow_parameters = ("user__id__exact",)
    empty_text = _("Nobody was reminded in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return by_person(text)


needs_hands(
    Work(
        name="subscriptions.ending",
        title=_("Subscriptions that end within 3 days"),
        model=Subscription,
        stages=lambda now: counted(
            {
                "state": Subscription.State.ACTIVE.value,
                "ends_at": {"$gt": moment(now), "$lte": moment(now + timedelta(days=ENDING_DAYS))},
                "delivered_at": {"$ne": None},
            }
        ),
        url=lambda: f"{reverse('admin:subscriptions_subscription_changelist')}?ending=1",
        permission="subscriptions.view_subscription",
        order=60,
    )
)
