"""What customers were told about an end."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from subscriptions.models.subscription import Subscription


class Reminder(models.Model):
    """What a customer was told about an end, once, and how it leaves the shop besides.

    The notice in the shop is written in the same transaction. SMS and e-mail are sent later by the
    worker: this document is their outbox.
    """

    class Kind(models.TextChoices):
        """One of each for every end that a subscription has had."""

        DAYS_7 = "days_7", _("Ends in 7 days")
        DAYS_3 = "days_3", _("Ends in 3 days")
        DAYS_1 = "days_1", _("Ends in 1 day")
        ENDED = "ended", _("Ended")
        CONSENT = "consent", _("Automatic renewal switched on")
        RENEWAL = "renewal", _("Automatic renewal announced")
        SHORT_3 = "short_3", _("Wallet too short, first try")
        SHORT_2 = "short_2", _("Wallet too short, second try")
        SHORT_1 = "short_1", _("Wallet too short, last try")
        NOT_RENEWED = "not_renewed", _("Not renewed")

    class State(models.TextChoices):
        """done: nothing has to leave the shop (any more)."""

        PENDING = "pending", _("Waiting")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="reminders"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reminders"
    )
    kind = models.CharField(max_length=20, choices=Kind)
    ends_at = models.DateTimeField()
    title = models.CharField(max_length=200, blank=True)
    body = models.CharField(max_length=500, blank=True)
    # What a renewal may cost at most, and the days that it must bring; only of those kinds.
    amount_paise = models.PositiveIntegerField(null=True, blank=True)
    days = models.PositiveIntegerField(null=True, blank=True)
    # What still has to leave the shop, such as "sms,email".
    channels = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.DONE)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=40, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "subscription_reminders"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "kind", "ends_at"], name="remind_once")
        ]
        indexes = [
            models.Index(fields=["state", "next_attempt_at"], name="reminder_due"),
            models.Index(fields=["user", "-created_at", "-id"], name="reminder_user_recent"),
            models.Index(fields=["-created_at", "-id"], name="reminder_recent"),
        ]

    @property
    def link(self) -> str:
        """Where the notice leads: to the renewal, unless it renews by itself."""
        leads_to_renewal = self.kind in (
            self.Kind.DAYS_7,
            self.Kind.DAYS_3,
            self.Kind.DAYS_1,
            self.Kind.ENDED,
            self.Kind.NOT_RENEWED,
        )
        name = "orders:renew" if leads_to_renewal else "subscriptions:detail"
        return reverse(name, args=[self.subscription_id])

    def __str__(self) -> str:
        return self.get_kind_display()
