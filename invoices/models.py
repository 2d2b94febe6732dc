"""Tax invoices and credit notes, their counters, and what still waits for a number."""

from datetime import datetime
from typing import Any, NoReturn, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.managers import MongoManager

from accounts.gst_states import STATES
from invoices.tax import TaxSplit
from orders.models import Order, Refund
from ottsonly.append_only import AppendOnlyQuerySet

SEQUENCE_DIGITS = 7


def financial_year(moment: datetime) -> str:
    """Return the financial year (April to March, Indian time) of `moment` as "2627"."""
    local = timezone.localtime(moment)
    first = local.year if local.month >= 4 else local.year - 1
    return f"{first % 100:02d}{(first + 1) % 100:02d}"


class Series(models.Model):
    """The counter of one kind of paper in one financial year; drawn from in a transaction only."""

    key = models.CharField(primary_key=True, max_length=8)  # "INV/2627"
    last = models.PositiveIntegerField(default=0)
    # Numbers and dates rise together, also when the clocks of two workers differ.
    last_issued_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "invoice_series"
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return self.key


class DueDocument(models.Model):
    """A sale or refund that still waits for its invoice or credit note."""

    class Kind(models.TextChoices):
        """What it gets."""

        INVOICE = "INV", _("Tax invoice")
        CREDIT_NOTE = "CRN", _("Credit note")

    key = models.CharField(primary_key=True, max_length=40)  # "order:<id>", "refund:<id>"
    kind = models.CharField(max_length=3, choices=Kind)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "invoice_due"
        ordering = ["created_at"]
        indexes = [models.Index(fields=["created_at"], name="invoice_due_age")]

    def __str__(self) -> str:
        return self.key

    @property
    def reference_id(self) -> str:
        return self.key.partition(":")[2]


class PaperQuerySet(AppendOnlyQuerySet):
    """Reads of papers, which nobody changes."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)


class TaxDocument(models.Model):
    """A numbered paper as it was issued: everything on it is a copy."""

    number = models.CharField(max_length=16, unique=True)
    series = models.CharField(max_length=8)
    sequence = models.PositiveIntegerField()
    issued_at = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    seller_name = models.CharField(max_length=200)
    seller_address = models.CharField(max_length=400)
    seller_gstin = models.CharField(max_length=15)
    buyer_name = models.CharField(max_length=80, blank=True)
    buyer_phone = models.CharField(max_length=20)
    # Place of supply.
    state_code = models.CharField(max_length=2, choices=list(STATES.items()))
    description = models.CharField(max_length=200)
    sac_code = models.CharField(max_length=6)
    # Hundredths of a percent.
    rate_bp = models.PositiveIntegerField()
    total_paise = models.PositiveIntegerField()
    taxable_paise = models.PositiveIntegerField()
    cgst_paise = models.PositiveIntegerField(default=0)
    sgst_paise = models.PositiveIntegerField(default=0)
    igst_paise = models.PositiveIntegerField(default=0)

    objects = MongoManager.from_queryset(PaperQuerySet)()

    class Meta:
        abstract = True
        ordering = ["-issued_at"]
        constraints = [
            models.UniqueConstraint(fields=["series", "sequence"], name="%(class)s_sequence")
        ]
        indexes = [models.Index(fields=["-issued_at"], name="%(class)s_recent")]

    def __str__(self) -> str:
        return self.number

    @property
    def split(self) -> TaxSplit:
        return TaxSplit(self.taxable_paise, self.cgst_paise, self.sgst_paise, self.igst_paise)

    @property
    def within_state(self) -> bool:
        return self.seller_gstin[:2] == self.state_code

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new paper; an issued one is never changed."""
        if not self._state.adding:
            raise TypeError("invoices and credit notes are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("invoices and credit notes are append-only")


class Invoice(TaxDocument):
    """The tax invoice of an order (rule 46 of the CGST Rules, 2017)."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="+")

    class Meta(TaxDocument.Meta):
        db_table = "invoices"


class CreditNote(TaxDocument):
    """What a refund takes back of an invoice (section 34 of the CGST Act, rule 53(1A))."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    refund = models.OneToOneField(Refund, on_delete=models.PROTECT, related_name="+")
    # What the invoice's earlier notes gave back: its unique index puts the notes in a row, so that
    # two workers cannot both reckon from the same point.
    credited_before_paise = models.PositiveIntegerField()

    class Meta(TaxDocument.Meta):
        db_table = "credit_notes"
        constraints = [
            *TaxDocument.Meta.constraints,
            models.UniqueConstraint(
                fields=["invoice", "credited_before_paise"], name="credit_note_row"
            ),
        ]
