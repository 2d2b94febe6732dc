"""What the papers know of a customer. They are kept as they were issued: the law wants that."""

from typing import Any

from invoices.models import CreditNote, Invoice

FIELDS = (
    "number",
    "issued_at",
    "buyer_name",
    "buyer_phone",
    "state_code",
    "description",
    "total_paise",
    "taxable_paise",
    "cgst_paise",
    "sgst_paise",
    "igst_paise",
)


def export(user: Any) -> dict[str, Any]:
    """Return tax invoices and credit notes."""
    return {
        "invoices": list(Invoice.objects.for_user(user).order_by("pk").values(*FIELDS)),
        "credit_notes": list(CreditNote.objects.for_user(user).order_by("pk").values(*FIELDS)),
    }
