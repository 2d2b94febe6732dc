"""What stands on a paper: one composition, which the page and the PDF both draw."""

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.gst_states import STATES, UNION_TERRITORIES
from accounts.models import User
from accounts.phones import display_phone
from invoices.models import CreditNote, Invoice, TaxDocument
from invoices.tax import percent_text
from orders.models import Order, Refund
from ottsonly.money import format_rupees
from wallet.models import Recharge

NOT_AN_INVOICE = gettext_noop(
    "This is a receipt, not a tax invoice: the seller charges no GST on this sale."
)


@dataclass
class Line:
    """A line of the sum: what and how much, as they are printed."""

    label: str
    amount: str


@dataclass
class Paper:
    """A receipt, tax invoice or credit note, in words and amounts as they are printed."""

    title: str
    number: str
    issued_at: datetime
    seller: list[str]
    buyer: list[str]
    facts: list[tuple[str, str]]
    lines: list[Line]
    total: Line
    pdf_url: str
    back_url: str
    notes: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    hue: str = ""

    @property
    def date_text(self) -> str:
        return when(self.issued_at)

    @property
    def filename(self) -> str:
        return f"{self.number.replace('/', '-')}.pdf"


def when(moment: datetime) -> str:
    """Return a moment as papers show it, in Indian time."""
    return date_format(timezone.localtime(moment), "j M Y, g:i a")


def _seller() -> list[str]:
    return [settings.SELLER_NAME or settings.SHOP_NAME, *_address(settings.SELLER_ADDRESS)]


def _address(text: str) -> list[str]:
    return [text] if text else []


def _buyer(user: User) -> list[str]:
    return [line for line in (user.name, user.phone_display) if line]


def _state(code: str) -> str:
    return f"{STATES[code]} ({code})"


def order_paper(order: Order) -> Paper:
    """Return the tax invoice of an order if it has one, else its receipt; reads `order.user`."""
    invoice = Invoice.objects.filter(order_id=order.pk).first()
    refunds = list(order.refunds.order_by("created_at"))
    facts = [
        (_("Order"), order.number),
        (_("Paid"), _("From the wallet, %s") % when(order.created_at)),
    ]
    if order.period_start and order.period_end:
        days = (order.period_start, order.period_end)
        first, last = (date_format(timezone.localtime(day), "j M Y") for day in days)
        facts.append((_("Days"), _("%(first)s to %(last)s") % {"first": first, "last": last}))
    given_back = [
        _("%(amount)s went back to your wallet on %(date)s.")
        % {"amount": format_rupees(refund.amount_paise), "date": when(refund.created_at)}
        for refund in refunds
    ]
    links = [
        (
            _("Paper of the refund of %s") % format_rupees(refund.amount_paise),
            reverse("invoices:refund", args=[refund.pk]),
        )
        for refund in refunds
    ]
    pdf_url = reverse("invoices:order_pdf", args=[order.pk])
    if invoice is not None:
        paper = _tax_paper(invoice, _("Tax invoice"), facts, order=order, pdf_url=pdf_url)
        paper.notes += given_back
        paper.links = links
        return paper
    bought = f"{order.platform_name} {order.plan_name}, {order.duration_text}"
    price = format_rupees(order.price_paise)
    return Paper(
        title=_("Receipt"),
        number=order.number,
        issued_at=order.created_at,
        seller=_seller(),
        buyer=_buyer(order.user),
        facts=facts,
        lines=[Line(bought, price)],
        total=Line(_("Paid"), price),
        notes=[
            _("This is a receipt. The tax invoice of this order is on its way: look again soon.")
            if order.state_code
            else _(NOT_AN_INVOICE),
            *given_back,
        ],
        links=links,
        pdf_url=pdf_url,
        back_url=order.get_absolute_url(),
        hue=order.hue,
    )


def refund_paper(refund: Refund) -> Paper:
    """Return the credit note of a refund if it has one, else a note; reads `refund.order.user`."""
    order = refund.order
    note = CreditNote.objects.select_related("invoice").filter(refund_id=refund.pk).first()
    facts = [
        (_("Order"), order.number),
        (_("Given back"), _("To the wallet, %s") % when(refund.created_at)),
    ]
    pdf_url = reverse("invoices:refund_pdf", args=[refund.pk])
    if note is not None:
        facts.append((_("For tax invoice"), f"{note.invoice}, {when(note.invoice.issued_at)}"))
        return _tax_paper(note, _("Credit note"), facts, order=order, pdf_url=pdf_url)
    amount = format_rupees(refund.amount_paise)
    return Paper(
        title=_("Refund note"),
        number=f"{order.number}-R{str(refund.pk)[-6:].upper()}",
        issued_at=refund.created_at,
        seller=_seller(),
        buyer=_buyer(order.user),
        facts=facts,
        lines=[Line(f"{order.platform_name} {order.plan_name}, {order.duration_text}", amount)],
        total=Line(_("Given back"), amount),
        notes=[
            _("The credit note of this refund is on its way: look again soon.")
            if order.state_code
            else _("This is a note of a refund, not a credit note: no GST was charged.")
        ],
        pdf_url=pdf_url,
        back_url=order.get_absolute_url(),
        hue=order.hue,
    )


def recharge_paper(recharge: Recharge) -> Paper:
    """Return the receipt of a completed top-up; reads `recharge.user`."""
    amount = format_rupees(recharge.amount_paise)
    notes = [
        _(
            "This is a receipt for money paid in advance into your wallet, not a tax invoice. "
            "Each purchase from the wallet has a paper of its own."
        )
    ]
    if recharge.refunded_paise:
        notes.append(
            _("%s of it went back, or is on its way back, to where you paid from.")
            % format_rupees(recharge.refunded_paise)
        )
    return Paper(
        title=_("Receipt"),
        number=f"TOPUP-{str(recharge.pk)[-8:].upper()}",
        issued_at=recharge.completed_at or recharge.created_at,
        seller=_seller(),
        buyer=_buyer(recharge.user),
        facts=[
            (_("Paid by"), "Razorpay"),
            (_("Payment"), recharge.payment_id or ""),
            (_("Reference"), str(recharge.pk)),
        ],
        lines=[Line(_("Wallet top-up"), amount)],
        total=Line(_("Received"), amount),
        notes=notes,
        pdf_url=reverse("invoices:recharge_pdf", args=[recharge.pk]),
        back_url=recharge.get_absolute_url(),
    )


def _tax_paper(
    document: TaxDocument,
    title: str,
    facts: list[tuple[str, str]],
    *,
    order: Order,
    pdf_url: str,
) -> Paper:
    facts = [
        *facts,
        (_("Place of supply"), _state(document.state_code)),
        (_("SAC"), document.sac_code),
        (_("Reverse charge"), _("No")),
    ]
    value = _("%s: taxable value") % document.description
    lines = [Line(value, format_rupees(document.taxable_paise))]
    if document.within_state:
        half = percent_text(document.rate_bp / 2)
        other = "UTGST" if document.state_code in UNION_TERRITORIES else "SGST"
        lines += [
            Line(f"CGST {half}", format_rupees(document.cgst_paise)),
            Line(f"{other} {half}", format_rupees(document.sgst_paise)),
        ]
    else:
        rate = percent_text(document.rate_bp)
        lines.append(Line(f"IGST {rate}", format_rupees(document.igst_paise)))
    buyer = [document.buyer_name, display_phone(document.buyer_phone), _state(document.state_code)]
    return Paper(
        title=title,
        number=document.number,
        issued_at=document.issued_at,
        seller=[
            document.seller_name,
            *_address(document.seller_address),
            f"GSTIN {document.seller_gstin}",
        ],
        buyer=[line for line in buyer if line],
        facts=facts,
        lines=lines,
        total=Line(_("Total, tax included"), format_rupees(document.total_paise)),
        notes=[_("The price includes the tax. Issued electronically.")],
        pdf_url=pdf_url,
        back_url=order.get_absolute_url(),
        hue=order.hue,
    )
