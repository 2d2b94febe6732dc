"""Notices that customers find in the shop."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet


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
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(NotificationQuerySet)()

    class Meta:
        db_table = "notifications"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notice_user_recent"),
            models.Index(fields=["user", "read_at"], name="notice_user_unread"),
            models.Index(fields=["-created_at"], name="notice_recent"),
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
