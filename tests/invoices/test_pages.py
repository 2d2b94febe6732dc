"""The papers as their owner, a stranger and the staff see them, on the page and as PDF."""

import pytest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY

from accounts.models import TotpDevice
from invoices.models import CreditNote, Invoice
from invoices.pdf import arrange
from orders.refunds import refund_order
from ottsonly.mongo import in_transaction
from tests.factories import (
    AdminFactory,
    CustomerFactory,
    PlanFactory,
    SupportFactory,
    buy,
    give_money,
)
from tests.invoices.conftest import text_of
from tests.invoices.pdf_words import pdf_text
from wallet.models import Recharge, WalletTransaction
from wallet.services import post_entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def recharge(customer):
    return Recharge.objects.create(
        user=customer,
        amount_paise=500_00,
        key="k",
        razorpay_order_id="order_1",
        payment_id="pay_1",
        state="completed",
        completed_at=timezone.now(),
    )


@pytest.fixture
def order(customer):
    give_money(customer, 500_00)
    return buy(customer, PlanFactory())


def _refund(order, paise):
    key = f"{order.number}:{paise}"
    return refund_order(
        order=order, amount_paise=paise, reason="x", actor=None, key=key, take_back=False
    )


def test_without_a_gstin_an_order_has_a_receipt_that_says_so(order, client_for):
    client = client_for(order.user)
    url = f"/receipts/orders/{order.pk}/"
    assert url in client.get(order.get_absolute_url()).content.decode()
    words = text_of(client.get(url))
    for part in ("Receipt", order.number, "₹199", "Asha Verma", "not a tax invoice"):
        assert part in words
    for part in ("GSTIN", "SAC", "IGST", "Tax invoice"):
        assert part not in words


def test_a_tax_invoice_says_what_rule_46_asks(sell, issue_due, client_for):
    order = sell()
    client = client_for(order.user)
    url = f"/receipts/orders/{order.pk}/"
    assert "tax invoice of this order is on its way" in text_of(client.get(url))
    issue_due()
    invoice = Invoice.objects.get()
    answer = client.get(f"{url}pdf/")
    for words in (text_of(client.get(url)).replace("&amp;", "&"), pdf_text(answer.content)):
        for part in (
            "Tax invoice",
            invoice.number,
            timezone.localtime(invoice.issued_at).strftime("%b %Y"),
            "Kiosk & Daughters LLP",
            "1 Mall Road, Bengaluru 560001",
            "GSTIN 29AAGCB7383J1Z4",
            "Asha Verma",
            "Place of supply Maharashtra (27)",
            "SAC 998433",
            "Reverse charge No",
            "taxable value ₹168.64",
            "IGST 18% ₹30.36",
            "Total, tax included ₹199",
        ):
            assert part in words, part
        assert "receipt" not in words.lower()
    name = invoice.number.replace("/", "-")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.pdf"'
    assert answer.headers["Content-Type"] == "application/pdf"


def test_within_the_state_both_halves_are_shown(sell, issue_due, client_for):
    order = sell(state="29")
    issue_due()
    words = text_of(client_for(order.user).get(f"/receipts/orders/{order.pk}/"))
    assert "CGST 9% ₹15.18 SGST 9% ₹15.18 Total, tax included ₹199" in words


def test_in_a_union_territory_the_other_half_is_its_own(sell, issue_due, client_for, settings):
    settings.SELLER_GSTIN, settings.SELLER_STATE_CODE = "04AAGCB7383J1ZG", "04"
    order = sell(state="04")
    issue_due()
    words = text_of(client_for(order.user).get(f"/receipts/orders/{order.pk}/"))
    assert "CGST 9% ₹15.18 UTGST 9% ₹15.18" in words


def test_a_refund_has_a_note_and_with_gst_a_credit_note(order, sell, issue_due, client_for):
    plain = _refund(order, 50_00)
    words = text_of(client_for(order.user).get(f"/receipts/refunds/{plain.pk}/"))
    assert "Refund note" in words
    assert "Given back ₹50" in words
    taxed = sell()
    refund = _refund(taxed, 50_00)
    client = client_for(taxed.user)
    url = f"/receipts/refunds/{refund.pk}/"
    assert "credit note of this refund is on its way" in text_of(client.get(url))
    issue_due()
    note = CreditNote.objects.get()
    for words in (text_of(client.get(url)), pdf_text(client.get(f"{url}pdf/").content)):
        for part in ("Credit note", note.number, str(note.invoice), "IGST 18% ₹7.63", "₹42.37"):
            assert part in words
    order_words = client.get(f"/receipts/orders/{taxed.pk}/").content.decode()
    assert url in order_words
    assert "₹50 went back to your wallet" in order_words


def test_a_top_up_has_a_receipt_only_once_it_is_paid(registered, recharge, client_for):
    client = client_for(recharge.user)
    url = f"/receipts/topups/{recharge.pk}/"
    assert url in client.get(recharge.get_absolute_url()).content.decode()
    for words in (text_of(client.get(url)), pdf_text(client.get(f"{url}pdf/").content)):
        for part in ("Receipt", "pay_1", str(recharge.pk), "Received ₹500", "not a tax invoice"):
            assert part in words
    Recharge.objects.update(state="pending")
    assert [client.get(address).status_code for address in (url, f"{url}pdf/")] == [404, 404]


def test_statement_lines_lead_to_their_papers(order, recharge, client_for):
    refund = _refund(order, 10_00)
    in_transaction(
        lambda: post_entry(
            user_id=order.user_id,
            amount_paise=500_00,
            reference_type="recharge",
            reference_id=str(recharge.pk),
            key=f"recharge:{recharge.pk}",
            description="Top-up",
        )
    )
    links = [
        entry.paper_url
        for entry in WalletTransaction.objects.filter(user_id=order.user_id).order_by("sequence")
    ]
    assert links == [
        "",
        f"/receipts/orders/{order.pk}/",
        f"/receipts/refunds/{refund.pk}/",
        f"/receipts/topups/{recharge.pk}/",
    ]
    page = client_for(order.user).get("/wallet/statement/").content.decode()
    assert [page.count(f'href="{link}"') for link in links[1:]] == [1, 1, 1]


def test_papers_are_for_their_owner_alone(order, recharge, client_for):
    refund = _refund(order, 10_00)
    addresses = [
        f"/receipts/{kind}/{document.pk}/{form}"
        for kind, document in (("orders", order), ("refunds", refund), ("topups", recharge))
        for form in ("", "pdf/")
    ]
    seen = {
        role: {client_for(user).get(address).status_code for address in addresses}
        for role, user in (
            ("owner", order.user),
            ("stranger", CustomerFactory()),
            ("support", SupportFactory()),
        )
    }
    assert seen == {"owner": {200}, "stranger": {404}, "support": {403}}


def test_the_staff_see_them_in_the_console(order, recharge, sell, issue_due, client_for):
    taxed = sell()
    refund = _refund(taxed, 10_00)
    issue_due()
    for factory in (SupportFactory, AdminFactory):
        user = factory()
        client = client_for(user)
        device = TotpDevice.objects.create(user=user, name="x", key="MFRGGZDFMZTWQ2LK")
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
        invoice, note = Invoice.objects.get(), CreditNote.objects.get()
        for page, link, word in (
            (f"orders/order/{order.pk}", f"{order.pk}/of-order/", "Receipt"),
            (f"wallet/recharge/{recharge.pk}", f"{recharge.pk}/of-recharge/", "pay_1"),
            (f"invoices/invoice/{invoice.pk}", f"{taxed.pk}/of-order/", "INV/"),
            (f"invoices/creditnote/{note.pk}", f"{refund.pk}/of-refund/", "CRN/"),
        ):
            address = f"/admin/invoices/invoice/{link}"
            assert address in client.get(f"/admin/{page}/change/").content.decode()
            assert word in text_of(client.get(address))
            assert client.get(f"{address}?pdf").content.startswith(b"%PDF-")


def test_the_number_of_database_commands_stays(sell, issue_due, client_for, commands, recharge):
    order = sell()
    refunds = [_refund(order, paise) for paise in (1_00, 2_00, 3_00)]
    issue_due()
    client, other = client_for(order.user), client_for(recharge.user)
    counts = {}
    for name, browser, url in (
        ("order", client, f"/receipts/orders/{order.pk}/"),
        ("order_pdf", client, f"/receipts/orders/{order.pk}/pdf/"),
        ("refund", client, f"/receipts/refunds/{refunds[0].pk}/"),
        ("topup", other, f"/receipts/topups/{recharge.pk}/"),
    ):
        browser.get(url)
        commands.clear()
        browser.get(url)
        counts[name] = len(commands)
    # Session and user, then the paper's own: order, invoice, refunds; refund, order, note.
    assert counts == {"order": 5, "order_pdf": 6, "refund": 5, "topup": 3}


def test_devanagari_is_legible_without_shaping(customer, client_for):
    customer.name = "हिन्दी प्रिया मिश्रा"
    customer.save()
    give_money(customer, 500_00)
    order = buy(customer, PlanFactory())
    answer = client_for(customer).get(f"/receipts/orders/{order.pk}/pdf/")
    # As it is drawn: the short i before its consonant, the virama shown.
    assert arrange("मि प्रि हिन्दी") == "िम प्िर िहन्दी"
    assert arrange("हिन्दी प्रिया मिश्रा") in pdf_text(answer.content)
    again = client_for(customer).get(f"/receipts/orders/{order.pk}/pdf/")
    assert again.content == answer.content


def test_a_name_in_a_script_that_the_faces_lack_is_left_to_the_page(customer, client_for):
    customer.name = "ஆஷா வர்மா"
    customer.save()
    give_money(customer, 500_00)
    url = f"/receipts/orders/{buy(customer, PlanFactory()).pk}/"
    client = client_for(customer)
    assert customer.name in text_of(client.get(url))
    assert f"To {customer.phone_display} Order" in pdf_text(client.get(f"{url}pdf/").content)
