"""Notices that customers find in the shop."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

from catalog.models import Platform

# Below every key: a condition that only documents which have one fulfil.
FIRST_ID = "0" * 24


class Broadcast(models.Model):
    """One notice for many customers, sent batch by batch."""

    class Audience(models.TextChoices):
        """Whom it is for."""

        ONE = "one", _("One customer")
        ALL = "all", _("All customers")
        ACTIVE = "active", _("Customers with a running plan")
        EXPIRED = "expired", _("Customers whose last plan ended lately")
        NEVER_BOUGHT = "never_bought", _("Customers who never bought")
        PLATFORM = "platform", _("Customers with a running plan of one platform")

    class State(models.TextChoices):
        """draft -> sending -> sent or stopped."""

        DRAFT = "draft", _("Draft")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        STOPPED = "stopped", _("Stopped")

    TRANSITIONS = {
        State.DRAFT: {State.SENDING},
        State.SENDING: {State.SENT, State.STOPPED},
        State.SENT: set(),
        State.STOPPED: set(),
    }

    audience = models.CharField(_("audience"), max_length=20, choices=Audience)
    # Of the audience: the one customer, the platform, the days since the end.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    platform = models.ForeignKey(
        Platform, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    days = models.PositiveIntegerField(null=True, blank=True)
    title = models.CharField(_("title"), max_length=120)
    body = models.CharField(_("text"), max_length=500, blank=True)
    link = models.CharField(_("link"), max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    # The last customer that was looked at; the next batch goes on behind.
    cursor = models.CharField(max_length=24, blank=True, default="", editable=False)
    sent_count = models.PositiveIntegerField(default=0, editable=False)
    # How many were foreseen when it was started; None where that was too many to count.
    expected_count = models.PositiveIntegerField(null=True, editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "broadcasts"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["state", "started_at"], name="broadcast_state"),
            models.Index(fields=["-created_at"], name="broadcast_recent"),
        ]

    def __str__(self) -> str:
        return self.title


class NotificationQuerySet(MongoQuerySet):
    """Reads of notices."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)

    def unread(self) -> Self:
        return self.filter(read_at__isnull=True)

    def count_up_to(self, most: int) -> int:
        """Return how many there are, or `most + 1` for more: nobody waits for a long count."""
        return self.order_by()[: most + 1].count()


class Notification(models.Model):
    """One notice, written in the transaction of what it tells."""

    class Kind(models.TextChoices):
        """What it is about."""

        ORDER = "order", _("Order")
        SUBSCRIPTION = "subscription", _("Subscription")
        WALLET = "wallet", _("Wallet")
        REFUND = "refund", _("Refund")
        NOTICE = "notice", _("Notice")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    kind = models.CharField(max_length=20, choices=Kind)
    title = models.CharField(max_length=120)
    body = models.CharField(max_length=500, blank=True)
    link = models.CharField(max_length=200, blank=True)
    # The broadcast that it came with.
    broadcast = models.ForeignKey(
        Broadcast, null=True, blank=True, on_delete=models.PROTECT, related_name="notices"
    )
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(NotificationQuerySet)()

    class Meta:
        db_table = "notifications"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["broadcast", "user"],
                condition=Q(broadcast__gt=FIRST_ID),
                name="notice_once_per_broadcast",
            )
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notice_user_recent"),
            models.Index(fields=["user", "read_at"], name="notice_user_unread"),
            models.Index(fields=["-created_at"], name="notice_recent"),
            models.Index(
                fields=["broadcast", "read_at"],
                condition=Q(broadcast__gt=FIRST_ID),
                name="notice_broadcast_read",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_read(self) -> bool:
        return self.read_at is not None

    @property
    def open_url(self) -> str:
        return reverse("notifications:open", args=[self.pk])

    @property
    def delete_url(self) -> str:
        return reverse("notifications:delete", args=[self.pk])
