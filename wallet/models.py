"""Wallets, their ledger, top-ups and stored web hook events."""

from typing import Any, NoReturn, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

from ottsonly.append_only import AppendOnlyQuerySet
from ottsonly.money import format_rupees

KINDS = {
    "order": _("Purchase"),
    "recharge": _("Top-up"),
    "refund": _("Refund"),
    "adjustment": _("Adjustment"),
    "source_refund": _("Refund to where you paid from"),
}


class Wallet(models.Model):
    """One customer's money; it moves only together with a ledger entry."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.PROTECT, related_name="wallet"
    )
    balance_paise = models.BigIntegerField(default=0, editable=False)
    sequence = models.BigIntegerField(default=0, editable=False)
    # When the account was deleted: no money moves from then on.
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "wallets"

    def __str__(self) -> str:
        return f"wallet {self.pk}"


class LedgerQuerySet(AppendOnlyQuerySet):
    """Reads of the ledger."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)


class WalletTransaction(models.Model):
    """One movement of money; the chain of `balance_after_paise` proves the statement."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="wallet_entries"
    )
    sequence = models.BigIntegerField()
    amount_paise = models.BigIntegerField()
    balance_after_paise = models.BigIntegerField()
    reference_type = models.CharField(max_length=20)
    reference_id = models.CharField(max_length=40)
    description = models.CharField(max_length=200)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # Derived on the server (order:<id>, recharge:<id>, refund:<id>); once only.
    key = models.CharField(max_length=80, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(LedgerQuerySet)()

    class Meta:
        db_table = "wallet_transactions"
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "sequence"], name="ledger_chain")]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="ledger_user_recent"),
            models.Index(fields=["-created_at"], name="ledger_recent"),
            models.Index(fields=["reference_type", "reference_id"], name="ledger_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.reference_type} entry {self.sequence}"

    @property
    def kind_text(self) -> str:
        return str(KINDS.get(self.reference_type, self.reference_type))

    @property
    def link(self) -> str:
        if self.reference_type == "recharge":
            return reverse("wallet:checkout", args=[self.reference_id])
        return ""

    @property
    def paper_url(self) -> str:
        """Where the receipt or invoice of what it refers to is printed, if there is one."""
        if self.reference_type in ("order", "recharge", "refund"):
            return reverse(f"invoices:{self.reference_type}", args=[self.reference_id])
        return ""

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new entry; an existing one is never changed."""
        if not self._state.adding:
            raise TypeError("ledger entries are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("ledger entries are append-only")


class RechargeQuerySet(MongoQuerySet):
    """Reads of top-ups."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)


class Recharge(models.Model):
    """A top-up: saved first, its id is the receipt; Razorpay's order is attached after."""

    class State(models.TextChoices):
        """A captured payment can still follow a failure or the end of the time."""

        PENDING = "pending", _("Waiting for the payment")
        COMPLETED = "completed", _("In your wallet")
        FAILED = "failed", _("The payment failed")
        EXPIRED = "expired", _("Not paid in time")

    class Source(models.TextChoices):
        """Who brought the news of the payment first."""

        CALLBACK = "callback", _("Browser")
        WEBHOOK = "webhook", _("Web hook")
        RECONCILIATION = "reconciliation", _("Reconciliation")

    TRANSITIONS = {
        State.PENDING: {State.COMPLETED, State.FAILED, State.EXPIRED},
        State.FAILED: {State.COMPLETED},
        State.EXPIRED: {State.COMPLETED},
        State.COMPLETED: set(),
    }

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="recharges"
    )
    amount_paise = models.PositiveBigIntegerField()
    refunded_paise = models.PositiveBigIntegerField(default=0)
    key = models.CharField(max_length=64)
    razorpay_order_id = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001
    payment_id = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    source = models.CharField(max_length=20, choices=Source, blank=True)
    failure_reason = models.CharField(max_length=200, blank=True)
    return_url = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True, blank=True)
    # When Razorpay is asked next about a payment that nobody reported (None: never again), and
    # how often it was.
    next_check_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    checks = models.PositiveIntegerField(default=0)

    objects = MongoManager.from_queryset(RechargeQuerySet)()

    class Meta:
        db_table = "wallet_pending_transactions"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="recharge_key_per_user"),
            models.UniqueConstraint(
                fields=["razorpay_order_id"],
                condition=Q(razorpay_order_id__gt=""),
                name="recharge_razorpay_order",
            ),
            models.UniqueConstraint(
                fields=["payment_id"], condition=Q(payment_id__gt=""), name="recharge_payment"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "state", "-created_at"], name="recharge_user_state"),
            models.Index(fields=["state", "created_at"], name="recharge_state_age"),
            models.Index(fields=["state", "next_check_at"], name="recharge_check_due"),
            models.Index(fields=["state", "completed_at"], name="recharge_completed"),
            models.Index(fields=["-created_at"], name="recharge_recent"),
        ]

    def __str__(self) -> str:
        return f"top-up of {format_rupees(self.amount_paise)}"

    def get_absolute_url(self) -> str:
        return reverse("wallet:checkout", args=[self.pk])

    @property
    def url(self) -> str:
        return self.get_absolute_url()

    @property
    def paper_url(self) -> str:
        """Where the receipt is printed, in a room above."""
        return reverse("invoices:recharge", args=[self.pk])

    @property
    def reference(self) -> str:
        return str(self.pk)

    @property
    def refundable_paise(self) -> int:
        """What may still go back to its source, as far as the wallet holds it."""
        if self.state != self.State.COMPLETED:
            return 0
        return self.amount_paise - self.refunded_paise

    @property
    def state_text(self) -> str:
        return str(self.State(self.state).label)


class WebhookEvent(models.Model):
    """What Razorpay told us, kept as received before anything is done with it."""

    class State(models.TextChoices):
        """received is applied later by the worker, whatever happened in between."""

        RECEIVED = "received", _("Received")
        APPLIED = "applied", _("Applied")

    event_id = models.CharField(primary_key=True, max_length=80)
    type = models.CharField(max_length=60)
    payload = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    # Of one that is applied what came of it, of one that is not the last error.
    note = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True, blank=True)
    # How often the worker tried to apply it, and when it does next.
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "wallet_webhook_events"
        ordering = ["-received_at"]
        indexes = [
            models.Index(fields=["state", "received_at"], name="webhook_state_age"),
            models.Index(fields=["state", "next_attempt_at"], name="webhook_due"),
            models.Index(fields=["-received_at"], name="webhook_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class SourceRefund(models.Model):
    """Unspent money of one top-up on its way back to where it was paid from."""

    class State(models.TextChoices):
        """requested also means unknown: what got no answer is sent again with the same key."""

        REQUESTED = "requested", _("On its way")
        PROCESSED = "processed", _("Given back")
        FAILED = "failed", _("Failed, back in the wallet")

    TRANSITIONS = {
        State.REQUESTED: {State.PROCESSED, State.FAILED},
        State.PROCESSED: set(),
        State.FAILED: set(),
    }

    recharge = models.ForeignKey(Recharge, on_delete=models.PROTECT, related_name="source_refunds")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    amount_paise = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=200)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    razorpay_refund_id = models.CharField(max_length=40, blank=True)
    failure_reason = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "wallet_source_refunds"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["razorpay_refund_id"],
                condition=Q(razorpay_refund_id__gt=""),
                name="source_refund_razorpay",
            ),
        ]
        indexes = [
            models.Index(fields=["recharge", "-created_at"], name="source_refund_recharge"),
            models.Index(fields=["state", "next_attempt_at"], name="source_refund_due"),
            models.Index(fields=["state", "finished_at"], name="source_refund_finished"),
            models.Index(fields=["-created_at"], name="source_refund_recent"),
        ]

    def __str__(self) -> str:
        return f"{format_rupees(self.amount_paise)} to its source"

    @property
    def state_text(self) -> str:
        return str(self.State(self.state).label)


class OpenItem(models.Model):
    """Money at Razorpay that no document of ours explains; an operator looks at it and closes it.

    `amount_paise` is signed as it stands between the two books: plus is money that came in and was
    not credited, minus is money that went out (or was credited) without having come in.
    """

    class Kind(models.TextChoices):
        """What was found."""

        NO_RECHARGE = "no_recharge", _("Payment without a top-up")
        SECOND_PAYMENT = "second_payment", _("Second payment on one top-up")
        OTHER_AMOUNT = "other_amount", _("Payment of another amount than the top-up")
        NOT_AT_RAZORPAY = "not_at_razorpay", _("Credited, but not captured at Razorpay")
        FOREIGN_REFUND = "foreign_refund", _("Refund that was not asked for here")
        REFUND_MISSING = "refund_missing", _("Refund that Razorpay does not have")
        DISPUTE = "dispute", _("Disputed by the customer's bank")
        ACCOUNT_CLOSED = "account_closed", _("Payment for an account that is deleted")
        DIFFERENCE = "difference", _("Our books of a day differ from Razorpay's")

    class State(models.TextChoices):
        """Closed by an operator, with a note."""

        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    kind = models.CharField(max_length=20, choices=Kind)
    # A payment, a refund or a dispute at Razorpay, a document of ours that has none there, or a day
    # and by how much its books differ.
    reference = models.CharField(max_length=40)
    amount_paise = models.BigIntegerField()
    recharge = models.ForeignKey(
        Recharge, null=True, on_delete=models.PROTECT, related_name="open_items"
    )
    detail = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        db_table = "wallet_open_items"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["reference", "kind"], name="open_item_once"),
        ]
        indexes = [
            models.Index(fields=["state", "created_at"], name="open_item_state_age"),
            models.Index(fields=["-created_at"], name="open_item_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference}"
