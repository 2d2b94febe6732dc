"""Papers in the console: read-only for everybody, as they were issued."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from invoices.models import CreditNote, DueDocument, Invoice, Series, TaxDocument
from invoices.papers import order_paper, recharge_paper, refund_paper
from invoices.views import respond
from orders.models import Order, Refund
from ottsonly.admin import ReadOnlyAdmin, WindowedAdmin, link_to, rupees
from ottsonly.money import format_rupees
from wallet.models import Recharge

# What a paper is of, the permission that looking at it takes, and who composes it.
PAPERS = {
    "order": (Order, "orders.view_order", order_paper, ("user",)),
    "refund": (Refund, "orders.view_refund", refund_paper, ("order__user",)),
    "recharge": (Recharge, "wallet.view_recharge", recharge_paper, ("user",)),
}


def _address_of(about: str) -> str:
    """Return the name of the console's address of a paper, after the model that it is of."""
    options = PAPERS[about][0]._meta
    return f"{options.app_label}_{options.model_name}_paper"


class TaxDocumentAdmin(WindowedAdmin):
    """What invoices and credit notes show alike."""

    time_field = "issued_at"
    list_display = ("number", "issued_at", "buyer_name", "state_code", "total", "tax")
    search_fields = ("number",)
    search_help_text = _("Number")
    readonly_fields = ("total", "taxable", "cgst", "sgst", "igst", "rate", "paper")
    empty_text = _("Nothing was issued in these days. Look further back.")
    about = ""
    refers_to: ClassVar[tuple[str, ...]] = ()

    def search(self, text: str) -> dict[str, Any] | None:
        return {"number": text.upper()}

    total = rupees("total_paise", _("Total"))
    taxable = rupees("taxable_paise", _("Taxable value"))
    cgst = rupees("cgst_paise", _("CGST"))
    sgst = rupees("sgst_paise", _("SGST"))
    igst = rupees("igst_paise", _("IGST"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            ("number", "issued_at"),
            ("user", self.refers_to[0]),
            ("description", *self.refers_to[1:]),
            ("total", "taxable"),
            ("cgst", "sgst", "igst"),
            ("rate", "sac_code"),
            ("buyer_name", "buyer_phone"),
            ("state_code", "paper"),
            ("seller_name", "seller_gstin"),
            "seller_address",
        )

    @admin.display(description=_("Rate of tax"))
    def rate(self, document: TaxDocument) -> str:
        return f"{document.rate_bp / 100:g} %"

    @admin.display(description=_("Tax"))
    def tax(self, document: TaxDocument) -> str:
        return format_rupees(document.split.tax_paise)

    @admin.display(description=_("Paper"))
    def paper(self, document: Any) -> SafeString:
        url = reverse(
            f"admin:{_address_of(self.about)}", args=[getattr(document, f"{self.about}_id")]
        )
        return link_to(url, _("Look at it as the customer does"))


@admin.register(Invoice)
class InvoiceAdmin(TaxDocumentAdmin):
    """Tax invoices, and the console's own addresses of every paper."""

    about, refers_to = "order", ("order",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.paper_view)
        own = [
            path(f"<objectid:pk>/of-{about}/", view, {"about": about}, name=_address_of(about))
            for about in PAPERS
        ]
        return [*own, *super().get_urls()]

    def paper_view(self, request: HttpRequest, pk: Any, about: str) -> HttpResponse:
        """Show the paper of an order, refund or top-up to those who may see that document."""
        model, permission, compose, related = PAPERS[about]
        if not request.user.has_perm(permission):
            raise PermissionDenied
        document = get_object_or_404(model.objects.select_related(*related), pk=pk)
        if about == "recharge" and document.state != Recharge.State.COMPLETED:
            raise Http404
        paper = compose(document)
        change = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        paper.back_url = reverse(change, args=[pk])
        paper.pdf_url, paper.links = "?pdf", []
        return respond(request, paper, pdf="pdf" in request.GET)


@admin.register(CreditNote)
class CreditNoteAdmin(TaxDocumentAdmin):
    """Credit notes."""

    about, refers_to = "refund", ("invoice", "refund")


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    """The counters: how far each series is."""

    list_display = ("key", "last", "last_issued_at")


@admin.register(DueDocument)
class DueDocumentAdmin(ReadOnlyAdmin):
    """What waits for its number; empty but for a moment."""

    list_display = ("key", "kind", "created_at")
