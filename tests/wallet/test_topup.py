"""A top-up by the pages: started once, confirmed by Razorpay's own record, credited once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.factories import CustomerFactory, SupportFactory, give_money
from wallet.books import check_recharges
from wallet.errors import TopUpRefused
from wallet.models import OpenItem, Recharge, WalletTransaction
from wallet.recharges import confirm_callback, start_recharge
from wallet.reconciliation import expire_old
from wallet.services import balance_of

pytestmark = pytest.mark.django_db(transaction=True)
CALLBACK = ("razorpay_order_id", "razorpay_payment_id", "razorpay_signature")


def _paid(razorpay, recharge, **more):
    """Pay as the customer at Razorpay; return what Checkout hands to our page."""
    answer = razorpay.pay(recharge.razorpay_order_id, webhook=False, **more)
    return {name: answer[name.removeprefix("razorpay_")] for name in CALLBACK}


def _let_pass(time):
    """Move every top-up into the past, as if that much time had gone by."""
    Recharge.objects.update(
        created_at=timezone.now() - time, next_check_at=timezone.now() - timedelta(seconds=1)
    )


def _nothing_happened(recharge):
    recharge.refresh_from_db()
    assert recharge.state == "pending"
    assert balance_of(recharge.user_id) == 0
    assert WalletTransaction.objects.count() == 0


def test_from_the_form_to_the_money(razorpay, customer, client_for):
    browser = client_for(customer)
    page = browser.get("/wallet/?next=/plans/&amount=500")
    form = {
        "amount": "500",
        "key": page.context["form"].initial["key"],
        "next": "/plans/",
    }
    first, second = (browser.post("/wallet/topup/", form) for _unused in range(2))
    recharge = Recharge.objects.get()
    assert first.url == second.url == f"/wallet/topup/{recharge.pk}/"
    page = browser.get(first.url)
    assert page.context["checkout"]["order_id"] == recharge.razorpay_order_id
    assert page.context["checkout"]["amount"] == 500_00
    assert razorpay.base_url in page.headers["Content-Security-Policy"]
    fields = _paid(razorpay, recharge)
    for _unused in range(3):
        assert browser.post(f"{first.url}callback/", fields).url == first.url
        # Once it is credited Razorpay is not asked again.
        razorpay.fault("500", count=9)
    razorpay.fault("none")
    page = browser.get(first.url)
    assert page.context["recharge"].state == "completed"
    assert page.context["continue_url"] == "/plans/"
    assert "Content-Security-Policy" in page.headers
    assert razorpay.base_url not in page.headers["Content-Security-Policy"]
    assert balance_of(customer.pk) == 500_00
    entry = WalletTransaction.objects.get()
    assert (entry.key, entry.amount_paise) == (f"recharge:{recharge.pk}", 500_00)
    assert list(check_recharges()) == []


@pytest.mark.parametrize("signature", ["", "0" * 64, "é" * 64])
def test_a_forged_callback_changes_nothing(razorpay, recharge, client_for, signature):
    fields = {**_paid(razorpay, recharge), "razorpay_signature": signature}
    client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    _nothing_happened(recharge)


def test_a_signature_borrowed_from_another_top_up_changes_nothing(razorpay, recharge, client_for):
    small = start_recharge(user=recharge.user, amount_paise=100_00, key="form-2")
    fields = _paid(razorpay, small)
    client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    _nothing_happened(recharge)
    mixed = {**fields, "razorpay_order_id": recharge.razorpay_order_id}
    client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", mixed)
    _nothing_happened(recharge)


def test_another_customers_top_up_is_not_there(razorpay, recharge, client_for):
    stranger = client_for(CustomerFactory())
    fields = _paid(razorpay, recharge)
    assert stranger.post(f"/wallet/topup/{recharge.pk}/callback/", fields).status_code == 404
    assert stranger.get(f"/wallet/topup/{recharge.pk}/").status_code == 404
    _nothing_happened(recharge)


def test_staff_have_no_wallet(client_for):
    browser = client_for(SupportFactory())
    assert browser.get("/wallet/").status_code == 403
    assert browser.post("/wallet/topup/", {"amount": "500", "key": "a"}).status_code == 403
    assert Recharge.objects.count() == 0


@pytest.mark.parametrize("amount", ["99", "20001", "-5", "abc", ""])
def test_an_amount_outside_the_limits_is_refused(razorpay, customer, client_for, amount):
    page = client_for(customer).post("/wallet/topup/", {"amount": amount, "key": "a"})
    assert (page.status_code, Recharge.objects.count()) == (200, 0)


def test_a_foreign_way_back_is_dropped(razorpay, customer, client_for):
    form = {"amount": "500", "key": "a", "next": "https://evil.example/"}
    client = client_for(customer)
    client.post("/wallet/topup/", form)
    assert Recharge.objects.get().return_url == ""
    page = client.get("/wallet/", {"next": form["next"], "amount": "500"})
    assert (page.context["back"], page.context["form"]["next"].value()) == (None, "")


def test_without_keys_the_page_says_so(customer, client_for):
    page = client_for(customer).post("/wallet/topup/", {"amount": "500", "key": "a"})
    assert "Top-ups are not open yet" in page.content.decode()
    assert Recharge.objects.count() == 0


def test_the_same_form_repairs_a_top_up_whose_order_is_missing(razorpay, customer, client_for):
    browser, form = client_for(customer), {"amount": "500", "key": "a"}
    razorpay.fault("500", path_prefix="/v1/orders", count=3)
    page = browser.post("/wallet/topup/", form)
    assert "Razorpay does not answer" in page.content.decode()
    assert Recharge.objects.get().razorpay_order_id is None
    assert browser.post("/wallet/topup/", form).status_code == 302
    assert Recharge.objects.get().razorpay_order_id


def test_another_amount_after_a_failure_gets_a_form_that_works(razorpay, customer, client_for):
    browser = client_for(customer)
    razorpay.fault("500", path_prefix="/v1/orders", count=3)
    page = browser.post("/wallet/topup/", {"amount": "500", "key": "a"})
    page = browser.post(
        "/wallet/topup/", {"amount": "600", "key": page.context["form"]["key"].value()}
    )
    assert "another amount" in page.content.decode()
    page = browser.post(
        "/wallet/topup/", {"amount": "600", "key": page.context["form"]["key"].value()}
    )
    assert page.status_code == 302


def test_one_key_with_another_amount_is_refused(recharge):
    with pytest.raises(TopUpRefused):
        start_recharge(user=recharge.user, amount_paise=600_00, key="form-1")
    assert Recharge.objects.get().amount_paise == 500_00


def test_when_razorpay_is_silent_after_the_payment_nothing_untrue_is_said(
    razorpay, recharge, client_for
):
    fields = _paid(razorpay, recharge)
    razorpay.fault("500", path_prefix="/v1/payments", count=3)
    browser = client_for(recharge.user)
    page = browser.post(f"/wallet/topup/{recharge.pk}/callback/", fields, follow=True)
    said = [str(message) for message in page.context["messages"]]
    assert said == [
        "Razorpay has not confirmed this payment yet. Do not pay again: it is credited soon."
    ]
    _nothing_happened(recharge)
    browser.post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    assert balance_of(recharge.user_id) == 500_00


def test_browser_and_web_hook_at_the_same_time_credit_once(razorpay, recharge, send_hook):
    fields = _paid(razorpay, recharge)

    def by_browser():
        confirm_callback(
            recharge=Recharge.objects.get(pk=recharge.pk),
            order_id=fields["razorpay_order_id"],
            payment_id=fields["razorpay_payment_id"],
            signature=fields["razorpay_signature"],
        )

    def by_hook(number):
        status = send_hook(
            recharge, payment_id=fields["razorpay_payment_id"], event_id=f"evt_{number}"
        )
        assert status == 204

    jobs = [by_browser, lambda: by_hook(1), by_browser, lambda: by_hook(2)]

    def run(job):
        try:
            job()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, jobs))
    assert balance_of(recharge.user_id) == 500_00
    assert WalletTransaction.objects.count() == 1
    assert list(check_recharges()) == []


def test_an_authorised_payment_is_captured_and_credited(razorpay, recharge, client_for):
    fields = _paid(razorpay, recharge, outcome="authorized")
    client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    assert balance_of(recharge.user_id) == 500_00


def test_an_authorised_payment_of_another_amount_is_refused_and_not_captured(
    razorpay, recharge, client_for
):
    fields = _paid(razorpay, recharge, outcome="authorized", amount=100_00)
    client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    _nothing_happened(recharge)
    assert [p["status"] for p in razorpay.control("state")["payments"]] == ["authorized"]
    assert OpenItem.objects.count() == 0


def test_a_captured_payment_of_another_amount_is_refused_and_named(razorpay, recharge, client_for):
    fields = _paid(razorpay, recharge, amount=100_00)
    for _unused in range(2):
        client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    _nothing_happened(recharge)
    item = OpenItem.objects.get()
    assert (item.kind, item.amount_paise) == ("other_amount", 100_00)
    assert item.reference == fields["razorpay_payment_id"]


def test_a_signed_payment_that_failed_at_razorpay_is_not_believed(razorpay, recharge, client_for):
    fields = _paid(razorpay, recharge, outcome="failure")
    client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    _nothing_happened(recharge)


def test_a_top_up_that_timed_out_is_still_completed_by_a_late_payment(
    razorpay, recharge, client_for
):
    assert expire_old() == 0
    _let_pass(timedelta(hours=25))
    assert expire_old() == 1
    recharge.refresh_from_db()
    assert recharge.state == "expired"
    fields = _paid(razorpay, recharge)
    client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    assert balance_of(recharge.user_id) == 500_00
    assert expire_old() == 0


@pytest.mark.parametrize("state", ["completed", "pending"])
def test_a_top_up_that_does_not_fit_its_entry_is_named(razorpay, recharge, client_for, state):
    if state == "pending":
        fields = _paid(razorpay, recharge)
        client_for(recharge.user).post(f"/wallet/topup/{recharge.pk}/callback/", fields)
    connection.database["wallet_pending_transactions"].update_one(
        {"_id": recharge.pk}, {"$set": {"state": state}}
    )
    assert {finding.document for finding in check_recharges()} == {f"recharge {recharge.pk}"}


def test_the_statement_pages_without_gaps(customer, client_for):
    for number in range(60):
        give_money(customer, 100 + number)
    give_money(CustomerFactory(), 1)
    browser, seen, url = client_for(customer), [], "/wallet/statement/"
    while url:
        page = browser.get("/wallet/statement/" + url.removeprefix("/wallet/statement/"))
        seen.append([entry.sequence for entry in page.context["entries"]])
        url = page.context["older_url"]
    assert seen == [list(range(60, 35, -1)), list(range(35, 10, -1)), list(range(10, 0, -1))]
    newer = page.context["newer_url"]
    page = browser.get(f"/wallet/statement/{newer}")
    assert [entry.sequence for entry in page.context["entries"]] == list(range(35, 10, -1))


def test_the_statement_narrows_by_kind_and_month(customer, client_for):
    give_money(customer, 500_00)
    browser = client_for(customer)
    month = browser.get("/wallet/statement/").context["entries"][0].created_at.strftime("%Y-%m")

    def count(query):
        return len(browser.get(f"/wallet/statement/?{query}").context["entries"])

    assert count("kind=adjustment") == 1
    assert count("kind=order") == 0
    assert count(f"month={month}") == 1
    assert count("month=2020-01") == 0
    assert count("month=nonsense&before=nonsense") == 1


def test_without_javascript_the_checkout_says_what_to_do(recharge, client_for):
    page = client_for(recharge.user).get(recharge.get_absolute_url()).content.decode()
    note = page.split("<noscript>")[1].split("</noscript>")[0]
    assert "Paying needs JavaScript" in note and "Nothing was taken." in note
    # The button that would do nothing is not there for such a browser.
    assert 'class="btn is-primary is-wide js-only" id="checkout-pay"' in page
