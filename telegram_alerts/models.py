"""The outbox of alerts."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Alert(models.Model):
    """One message for the operators' Telegram, written in the transaction of what it tells."""

    class Kind(models.TextChoices):
        """What it is about."""

        NEW_ORDER = "new_order", _("New order")
        PAYMENT = "payment", _("Payment success")
        ACTIVATED = "activated", _("Subscription activated")
        REFUND = "refund", _("Refund")
        RECHARGE = "recharge", _("Recharge")
        MONEY = "money", _("Money that needs an operator")

    class State(models.TextChoices):
        """failed is what was tried often enough and now needs hands."""

        PENDING = "pending", _("Waiting")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    kind = models.CharField(max_length=20, choices=Kind)
    text = models.TextField()
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
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="alert_due")]

    def __str__(self) -> str:
        return f"{self.kind} alert"
