"""Subscriptions, the days given to them, and who looked at their login."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

from catalog.models import Delivery, Hue, Mark, Plan
from subscriptions.models.pool import Credential

ENDING_DAYS = 3
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class SubscriptionQuerySet(MongoQuerySet):
    """Reads of subscriptions."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)

    def running(self, now: datetime | None = None) -> Self:
        """Those that can be used at `now` by their dates, or wait for their delivery."""
        return self.filter(
            Q(delivered_at__isnull=True) | Q(ends_at__gt=now or timezone.now()),
            state=Subscription.State.ACTIVE,
        )

    def without_seat(self) -> Self:
        """Delivered ones whose account was retired and that got no other yet; longest first."""
        return self.filter(state=Subscription.State.ACTIVE, seat_lost_at__gt=BEGINNING).order_by(
            "seat_lost_at"
        )

    def to_invite_again(self) -> Self:
        """Those whose invitation was marked as sent and was not; longest first."""
        return self.filter(
            state=Subscription.State.ACTIVE, invitation_undone_at__gt=BEGINNING
        ).order_by("invitation_undone_at")


class Subscription(models.Model):
    """The customer's right to watch, from payment to its end.

    `paid_days` are all paid, unrefunded days. Until `delivered_at` is set nothing expires; at the
    first delivery `ends_at` becomes `delivered_at + paid_days`.
    """

    class State(models.TextChoices):
        """The stored state; whether it still runs is asked of `ends_at` and the clock."""

        ACTIVE = "active", _("Active")
        EXPIRED = "expired", _("Ended")
        CANCELLED = "cancelled", _("Cancelled")

    # What has ended gave its seat away, so it is bought anew and never taken up again.
    TRANSITIONS = {
        State.ACTIVE: {State.EXPIRED, State.CANCELLED},
        State.EXPIRED: set(),
        State.CANCELLED: set(),
    }

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="subscriptions")
    platform_name = models.CharField(max_length=60)
    plan_name = models.CharField(max_length=80)
    hue = models.CharField(max_length=10, choices=Hue)
    mark = models.CharField(max_length=10, choices=Mark)
    delivery = models.CharField(max_length=20, choices=Delivery)
    paid_days = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="subscriptions"
    )
    # True while a seat of `credential` is counted for this subscription.
    holds_seat = models.BooleanField(default=False)
    # Since when it runs without a seat, because its account was retired and the pool was empty.
    seat_lost_at = models.DateTimeField(null=True, blank=True)
    customer_email = models.EmailField(blank=True)
    # When the invitation was marked as sent, and when that turned out to be wrong.
    invited_at = models.DateTimeField(null=True, blank=True)
    invitation_undone_at = models.DateTimeField(null=True, blank=True)
    # The customer wants it renewed from the wallet before it ends.
    auto_renew = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(SubscriptionQuerySet)()

    class Meta:
        db_table = "subscriptions"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="sub_user_recent"),
            models.Index(fields=["-created_at"], name="sub_recent"),
            models.Index(fields=["state", "-created_at"], name="sub_state_recent"),
            models.Index(fields=["credential", "holds_seat"], name="sub_seats"),
            models.Index(fields=["plan", "state", "delivered_at", "created_at"], name="sub_wait"),
            models.Index(
                fields=["state", "ends_at"], name="sub_ending", condition=Q(state="active")
            ),
            models.Index(fields=["state", "seat_lost_at"], name="sub_seatless"),
            models.Index(fields=["state", "invitation_undone_at"], name="sub_uninvited"),
        ]

    def __str__(self) -> str:
        return f"{self.platform_name} {self.plan_name}"

    def get_absolute_url(self) -> str:
        return reverse("subscriptions:detail", args=[self.pk])

    def is_running(self, now: datetime | None = None) -> bool:
        """Say whether it can be used at `now`, by its dates and not by the worker's state."""
        now = now or timezone.now()
        return self.state == self.State.ACTIVE and (self.delivered_at is None or self.ends_at > now)

    def is_over(self, now: datetime) -> bool:
        """Say whether it has to be ended at `now`: active by its state, not by the clock."""
        return (
            self.state == self.State.ACTIVE
            and self.delivered_at is not None
            and self.ends_at <= now
        )

    @property
    def can_reveal(self) -> bool:
        return (
            self.delivered_at is not None
            and self.credential_id is not None
            and self.holds_seat
            and self.is_running()
        )

    @property
    def awaits_new_login(self) -> bool:
        """Whether its account was retired and the next one is not there yet."""
        return self.seat_lost_at is not None and not self.holds_seat and self.is_running()

    @property
    def is_invited(self) -> bool:
        return self.invited_at is not None and self.invitation_undone_at is None

    @property
    def can_report_problem(self) -> bool:
        return self.delivered_at is not None and self.is_running()

    @property
    def can_renew(self) -> bool:
        """Whether a period can be added: as long as it keeps its seat, so until it is expired."""
        return self.state == self.State.ACTIVE

    @property
    def plan_is_sold(self) -> bool:
        return self.plan.is_active and self.plan.platform.is_active

    @property
    def renew_url(self) -> str:
        return reverse("orders:renew", args=[self.pk])

    @property
    def days_left(self) -> int:
        """Days left, a started day counted whole; all paid days while undelivered."""
        if self.delivered_at is None:
            return self.paid_days
        seconds = (self.ends_at - timezone.now()).total_seconds()
        return max(0, math.ceil(seconds / 86400))

    @property
    def days_total(self) -> int:
        if self.delivered_at is None:
            return self.paid_days
        return max(1, round((self.ends_at - self.delivered_at) / timedelta(days=1)))

    @property
    def days_used(self) -> int:
        return max(0, self.days_total - self.days_left)

    @property
    def status(self) -> str:
        """waiting, active, ending, expired or cancelled: what the customer is told."""
        if self.state == self.State.CANCELLED:
            return "cancelled"
        if not self.is_running():
            return "expired"
        if self.delivered_at is None:
            return "waiting"
        return "ending" if self.days_left <= ENDING_DAYS else "active"

    @property
    def status_text(self) -> str:
        texts = {
            "cancelled": _t("Cancelled"),
            "expired": _t("Ended"),
            "active": _t("Active"),
        }
        if self.status == "waiting":
            if self.delivery == Delivery.CUSTOMER_EMAIL:
                return _t("Invitation on its way")
            return _t("Preparing your login")
        if self.awaits_new_login:
            return _t("New login on its way")
        if self.status == "ending":
            left = self.days_left
            return ngettext("Ends in %d day", "Ends in %d days", left) % left
        return texts[self.status]

    @property
    def waiting_note(self) -> str:
        """What the customer waits for, in a sentence; empty where nothing is awaited."""
        if self.awaits_new_login:
            return _t(
                "Your old login does not work any more. A new one is being prepared and you are "
                "told when it is here."
            )
        if self.invitation_undone_at is not None and self.is_running():
            return _t(
                "We are inviting %(email)s once more. The days that you lost are added when the "
                "invitation is sent."
            ) % {"email": self.customer_email}
        if self.status != "waiting":
            return ""
        if self.delivery == Delivery.CUSTOMER_EMAIL:
            return _t(
                "We are inviting %(email)s. Your days are counted from the invitation, "
                "so waiting costs you none."
            ) % {"email": self.customer_email}
        return _t(
            "Your login is being prepared and you are told when it is here. Your days are counted "
            "from that moment, so waiting costs you none."
        )


class ExtensionQuerySet(MongoQuerySet):
    """Refuses to delete what was given."""

    def delete(self) -> NoReturn:
        raise TypeError("extensions are never deleted")


class Extension(models.Model):
    """Days that an operator gave without payment; never deleted, and only its period moves.

    The period lies in the row of the paid ones, so that a delivery or a refund moves it like them.
    """

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="extensions"
    )
    days = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    reason = models.CharField(max_length=200)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # None until the subscription is delivered.
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    key = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(ExtensionQuerySet)()

    class Meta:
        db_table = "subscription_extensions"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["subscription", "created_at"], name="extension_of"),
            models.Index(fields=["-created_at"], name="extension_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.days} days more"

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("extensions are never deleted")


class Reveal(models.Model):
    """Somebody looked at stored credentials."""

    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="reveals")
    subscription = models.ForeignKey(
        Subscription, null=True, on_delete=models.PROTECT, related_name="reveals"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reveals"
    )
    ip = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "credential_reveals"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="reveal_user_recent"),
            models.Index(fields=["-created_at"], name="reveal_recent"),
        ]

    def __str__(self) -> str:
        return f"reveal of account at {self.created_at:%Y-%m-%d %H:%M}"
