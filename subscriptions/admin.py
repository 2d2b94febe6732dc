"""Stored accounts and subscriptions in the console."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin import by_person
from console.hands import Work, counted, needs_hands
from ottsonly.admin import WindowedAdmin, chip, rupees
from ottsonly.mongo import moment
from ottsonly.related import attach_related
from subscriptions import admin_imports, admin_pool, admin_problems
from subscriptions.admin_subscriptions import COMMANDS
from subscriptions.models import BEGINNING, ENDING_DAYS, Extension, Reminder, Reveal, Subscription

# Imported to be registered.
__all__ = ["admin_imports", "admin_pool", "admin_problems"]


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


class HandsFilter(admin.SimpleListFilter):
    """What runs and waits for hands, the longest first, however old."""

    title, parameter_name = _("needs hands"), "hands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("login", _("without a login")), ("invite", _("invitation to send again"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "login":
            return queryset.without_seat()
        if self.value() == "invite":
            return queryset.to_invite_again()
        return queryset


SUBSCRIPTION_TONES = {"active": "good", "ending": "warn", "waiting": "warn", "cancelled": "bad"}


@admin.register(Subscription)
class SubscriptionAdmin(WindowedAdmin):
    """Subscriptions as they are; what changes them goes by the services."""

    list_display = ("created_at", "__str__", "user", "state_chip", "delivery", "ends_at")
    list_filter = ("state", EndingFilter, HandsFilter, "delivery")
    list_prefetch = ("user",)
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    narrow_parameters = ("user__id__exact", "ending", "hands")
    oldest_first_parameters = ("hands",)
    commands = COMMANDS
    fieldsets = [
        (
            None,
            {
                "fields": (
                    ("user", "state_chip"),
                    ("platform_name", "plan"),
                    ("delivery", "paid_days"),
                    ("created_at", "delivered_at"),
                    ("ends_at", "auto_renew"),
                )
            },
        ),
        (
            _("Login"),
            {
                "fields": (
                    ("credential", "holds_seat", "seat_lost_at"),
                    ("customer_email", "invited_at", "invitation_undone_at"),
                )
            },
        ),
    ]
    readonly_fields = ("state_chip",)
    empty_text = _("No subscription began in these days. Look further back.")

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Name its account without opening its secrets: one that no key opens is replaced here."""
        found = super().get_object(request, *args, **kwargs)
        attach_related([found] if found else [], ("credential",))
        return found

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
    fields = (
        ("subscription", "days"),
        ("reason", "actor"),
        "created_at",
        ("period_start", "period_end"),
    )
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
    fields = (
        ("user", "subscription"),
        ("kind", "ends_at"),
        "title",
        "body",
        ("amount", "days"),
        ("channels", "state"),
        ("attempts", "next_attempt_at"),
        ("created_at", "last_error"),
    )
    readonly_fields = ("amount",)
    amount = rupees("amount_paise", _("Amount"))
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
needs_hands(
    Work(
        name="subscriptions.login",
        title=_("Running subscriptions without a login"),
        model=Subscription,
        stages=lambda now: counted(
            {"state": Subscription.State.ACTIVE.value, "seat_lost_at": {"$gt": moment(BEGINNING)}},
            age="seat_lost_at",
        ),
        url=lambda: f"{reverse('admin:subscriptions_subscription_changelist')}?hands=login",
        permission="subscriptions.view_subscription",
        order=12,
        urgent=True,
    )
)
needs_hands(
    Work(
        name="subscriptions.invite",
        title=_("Invitations to send again"),
        model=Subscription,
        stages=lambda now: counted(
            {
                "state": Subscription.State.ACTIVE.value,
                "invitation_undone_at": {"$gt": moment(BEGINNING)},
            },
            age="invitation_undone_at",
        ),
        url=lambda: f"{reverse('admin:subscriptions_subscription_changelist')}?hands=invite",
        permission="subscriptions.view_subscription",
        order=22,
        urgent=True,
    )
)
