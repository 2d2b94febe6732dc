"""Orders and refunds: where stock, wallet and subscription meet."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

from accounts.gst_states import STATES
from catalog.models import Delivery, Hue, Mark, Plan, duration_text
from ottsonly.append_only import AppendOnlyQuerySet
from ottsonly.money import format_rupees
from subscriptions.models import Subscription

# Crockford's base 32: no letter that is read as a digit.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_order_number() -> str:
    """Return a short order number of 40 random bits, such as "7K3M-9QXW"."""
    letters = "".join(secrets.choice(NUMBER_ALPHABET) for _unused in range(8))
    return f"{letters[:4]}-{letters[4:]}"


@dataclass
class Step:
    """One step of an order's progress, as the page draws it."""

    label: str
    done: bool
    current: bool
    at: datetime | None = None


class OrderQuerySet(MongoQuerySet):
    """Reads of orders."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)

    def waiting(self) -> Self:
        """Paid and not delivered."""
        return self.filter(state=Order.State.PAID)


class Order(models.Model):
    """One purchase or renewal, with a copy of what was bought as it was then."""

    class Kind(models.TextChoices):
        """A renewal adds days to a subscription that runs: no stock, the same seat."""

        PURCHASE = "purchase", _("Purchase")
        RENEWAL = "renewal", _("Renewal")

    class State(models.TextChoices):
        """paid -> completed (delivered) -> refunded; paid -> refunded."""

        PAID = "paid", _("Paid")
        COMPLETED = "completed", _("Delivered")
        REFUNDED = "refunded", _("Refunded")

    TRANSITIONS = {
        State.PAID: {State.COMPLETED, State.REFUNDED},
        State.COMPLETED: {State.REFUNDED},
        State.REFUNDED: set(),
    }

    number = models.CharField(max_length=12, unique=True, default=new_order_number)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PURCHASE)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="orders")
    platform_name = models.CharField(max_length=60)
    plan_name = models.CharField(max_length=80)
    hue = models.CharField(max_length=10, choices=Hue)
    mark = models.CharField(max_length=10, choices=Mark)
    price_paise = models.PositiveIntegerField()
    duration_days = models.PositiveIntegerField()
    delivery = models.CharField(max_length=20, choices=Delivery)
    customer_email = models.EmailField(blank=True)
    # Place of supply, as it was at the purchase; empty when the shop had no GSTIN then.
    state_code = models.CharField(
        max_length=2, blank=True, default="", choices=list(STATES.items())
    )
    # The days that this order paid for: set at delivery, cut at a refund (see orders.periods).
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PAID)
    refunded_paise = models.PositiveIntegerField(default=0)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="orders")
    key = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = MongoManager.from_queryset(OrderQuerySet)()

    class Meta:
        db_table = "orders"
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="order_key_per_user")]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="order_user_recent"),
            models.Index(fields=["state", "created_at"], name="order_state_age"),
            models.Index(fields=["plan", "state", "created_at"], name="order_plan_wait"),
            models.Index(fields=["-created_at"], name="order_recent"),
            models.Index(fields=["subscription", "created_at"], name="order_of_subscription"),
        ]

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        return reverse("orders:detail", args=[self.number])

    @property
    def paper_url(self) -> str:
        """Where the receipt or invoice is printed, in a room above."""
        return reverse("invoices:order", args=[self.pk])

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.PAID

    @property
    def is_renewal(self) -> bool:
        return self.kind == self.Kind.RENEWAL

    @property
    def state_text(self) -> str:
        if self.is_waiting:
            return _t("Being prepared")
        return str(self.State(self.state).label)

    @property
    def duration_text(self) -> str:
        return duration_text(self.duration_days)

    @property
    def subscription_url(self) -> str:
        return reverse("subscriptions:detail", args=[self.subscription_id])

    @property
    def can_renew(self) -> bool:
        """Whether the page offers more days; reads the subscription."""
        return self.state == self.State.COMPLETED and self.subscription.can_renew

    @property
    def refundable_paise(self) -> int:
        return self.price_paise - self.refunded_paise

    @property
    def steps(self) -> list[Step]:
        refunded = self.state == self.State.REFUNDED
        delivered = self.delivered_at is not None
        steps = [Step(_t("Paid from your wallet"), True, False, self.created_at)]
        if delivered or not refunded:
            if self.is_renewal:
                label = _t("Days added")
            elif self.delivery == Delivery.CUSTOMER_EMAIL:
                label = _t("Invitation sent")
            else:
                label = _t("Login details ready")
            steps.append(Step(label, delivered, not delivered, self.delivered_at))
        if refunded:
            steps.append(Step(_t("Refunded to your wallet"), True, False, None))
        return steps


class Refund(models.Model):
    """Money given back to the wallet for an order; append-only."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    amount_paise = models.PositiveIntegerField()
    reason = models.CharField(max_length=200)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    key = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(AppendOnlyQuerySet)()

    class Meta:
        db_table = "refunds"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["order", "-created_at"], name="refund_order"),
            models.Index(fields=["-created_at"], name="refund_recent"),
        ]

    def __str__(self) -> str:
        return f"refund of {format_rupees(self.amount_paise)}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new refund; an existing one is never changed."""
        if not self._state.adding:
            raise TypeError("refunds are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("refunds are append-only")

    @property
    def paper_url(self) -> str:
        """Where the note of it is printed, in a room above."""
        return reverse("invoices:refund", args=[self.pk])
