"""The outbox of alerts, and what holds it up."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Alert(models.Model):
    """One message for one chat, written in the transaction of what it tells."""

    class Kind(models.TextChoices):
        """What it is about."""

        NEW_ORDER = "new_order", _("New order")
        PAYMENT = "payment", _("Payment success")
        ACTIVATED = "activated", _("Subscription activated")
        REFUND = "refund", _("Refund")
        RECHARGE = "recharge", _("Recharge")
        MONEY = "money", _("Money that needs an operator")
        LOW_STOCK = "low_stock", _("Low stock")
        POOL_EMPTY = "pool_empty", _("No free login, orders wait")
        PROBLEM = "problem", _("Problem report")
        JOB_FAILING = "job_failing", _("Job failing")
        SUMMARY = "summary", _("Daily summary")
        DIGEST = "digest", _("What came in the quiet hours")

    class State(models.TextChoices):
        """held waits for the end of the quiet hours; failed was tried often and needs hands."""

        PENDING = "pending", _("Waiting")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        HELD = "held", _("Held for the digest")
        COLLECTED = "collected", _("In a digest")

    kind = models.CharField(max_length=20, choices=Kind)
    # Empty: no chat was configured when it was written; it goes to the first that wants its kind.
    chat = models.CharField(max_length=40, blank=True, default="")
    text = models.TextField()
    # Only of what must be written once, whoever writes it.
    key = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=40, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "alerts"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(key__gt=""), name="alert_once")
        ]
        indexes = [
            models.Index(fields=["state", "chat", "next_attempt_at"], name="alert_due"),
            models.Index(fields=["-created_at"], name="alert_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} alert"


class DeliveryPause(models.Model):
    """Why nothing is sent to a chat, or by the bot at all, and until when."""

    # A chat, or BOT for all of them.
    chat = models.CharField(primary_key=True, max_length=40)
    until = models.DateTimeField()
    reason = models.CharField(max_length=200)
    # In a row: each is twice as long as the one before.
    failures = models.PositiveIntegerField(default=0)

    BOT = "*"

    class Meta:
        db_table = "alert_pauses"

    def __str__(self) -> str:
        return self.reason
