"""The statement: what it adds up to, its pages, on paper and in a spreadsheet."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client

from ottsonly.mongo import in_transaction
from tests.factories import CustomerFactory, SupportFactory
from wallet.models import WalletTransaction
from wallet.services import ensure_wallet, post_entry
from wallet.statement_views import EXPORTS_PER_HOUR
from wallet.statements import Figures, spreadsheet_text

pytestmark = pytest.mark.django_db
PAGES = ("/wallet/statement/", "/wallet/statement/print/", "/wallet/statement/csv/")


def book(user, *lines: tuple[str, int, str], description: str = "a line") -> None:
    """Post lines of (kind, paise, "YYYY-MM-DD HH:MM" in UTC) through the ledger's own service."""
    ensure_wallet(user.pk)
    for kind, paise, moment in lines:
        number = WalletTransaction.objects.count()
        entry = in_transaction(
            lambda kind=kind, paise=paise, number=number: post_entry(
                user_id=user.pk,
                amount_paise=paise,
                reference_type=kind,
                reference_id=f"{number:024x}",
                key=f"line:{number}",
                description=description,
            )
        )
        # Entries are append-only; the test alone moves them in time.
        connection.database["wallet_transactions"].update_one(
            {"_id": entry.pk},
            {"$set": {"created_at": datetime.strptime(moment, "%Y-%m-%d %H:%M")}},
        )


@pytest.fixture
def reader(customer, client_for):
    """A customer with lines in January, February and April, and a stranger with others."""
    book(
        customer,
        ("recharge", 500_00, "2026-01-05 10:00"),
        ("order", -199_00, "2026-01-20 10:00"),
        # Both sides of midnight in India, which is 18:30 UTC.
        ("order", -100_50, "2026-01-31 18:29"),
        ("recharge", 300_00, "2026-01-31 18:30"),
        ("order", -50_25, "2026-02-10 10:00"),
        ("refund", 50_25, "2026-02-11 10:00"),
        ("adjustment", -1_00, "2026-04-01 10:00"),
    )
    book(CustomerFactory(), ("recharge", 9_999_00, "2026-02-01 10:00"))
    return client_for(customer)


@pytest.mark.parametrize(
    ("query", "sequences", "figures"),
    [
        ("month=2026-01", [3, 2, 1], Figures(0, 200_50, 500_00, 299_50)),
        ("month=2026-02", [6, 5, 4], Figures(200_50, 500_50, 350_25, 50_25)),
        ("month=2026-03", [], Figures(500_50, 500_50)),
        ("month=2025-12", [], Figures(0, 0)),
        ("month=2026-04", [7], Figures(500_50, 499_50, 0, 1_00)),
        ("month=2026-02&kind=order", [5], Figures(200_50, 500_50, 0, 50_25)),
        ("month=2026-01&kind=refund", [], Figures(0, 200_50, 0, 0)),
        ("kind=order", [5, 3, 2], Figures(500_00, 450_25, 0, 349_75)),
        ("", [7, 6, 5, 4, 3, 2, 1], Figures(0, 499_50, 850_25, 350_75)),
        ("month=nonsense&kind=gold", [7, 6, 5, 4, 3, 2, 1], Figures(0, 499_50, 850_25, 350_75)),
    ],
)
def test_the_figures_are_those_of_what_is_shown(reader, query, sequences, figures):
    page = reader.get(f"/wallet/statement/?{query}")
    assert [entry.sequence for entry in page.context["entries"]] == sequences
    assert page.context["figures"] == figures
    paper = reader.get(f"/wallet/statement/print/?{query}")
    assert [entry.sequence for entry in paper.context["entries"]] == sequences[::-1]
    assert paper.context["figures"] == figures


def test_without_a_month_each_page_adds_up_its_own_lines(customer, client_for):
    book(customer, *[("recharge", 1_00, "2026-01-05 10:00")] * 30)
    browser = client_for(customer)
    newest = browser.get("/wallet/statement/")
    assert newest.context["figures_title"] == "Lines 6 to 30"
    assert newest.context["figures"] == Figures(5_00, 30_00, 25_00, 0)
    oldest = browser.get("/wallet/statement/" + newest.context["older_url"])
    assert oldest.context["figures_title"] == "Lines 1 to 5"
    assert oldest.context["figures"] == Figures(0, 5_00, 5_00, 0)


def test_an_empty_book_says_so(customer, client_for):
    page = client_for(customer).get("/wallet/statement/")
    assert (page.context["figures"], page.context["entries"]) == (None, [])
    assert b"No lines here" in page.content
    assert b"No money moved" in client_for(customer).get("/wallet/statement/print/").content


def test_a_month_that_is_none_is_named_at_its_field(reader):
    page = reader.get("/wallet/statement/?month=2026-13")
    assert page.context["form"].errors["month"] == ["Enter a month such as 2026-01."]


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 5), ("kind=order", 5), ("month=2026-01", 6), ("month=2026-03", 6), ("before=3", 5)],
)
def test_a_statement_takes_at_most_six_commands(reader, commands, query, count):
    reader.get("/wallet/statement/")
    commands.clear()
    assert reader.get(f"/wallet/statement/?{query}").status_code == 200
    assert len(commands) == count


def test_the_paper_names_shop_customer_and_period(reader, customer, settings):
    settings.SELLER_NAME, settings.SELLER_ADDRESS = "Kiosk <One> LLP", "1 Mall Road"
    text = reader.get("/wallet/statement/print/?month=2026-02&kind=order").content.decode()
    for wanted in (
        "OTTSONLY",
        "Kiosk &lt;One&gt; LLP",
        "1 Mall Road",
        "Asha Verma",
        customer.phone_display,
        "February 2026, only Purchase",
        "₹200.50",
        "₹500.50",
        "css/print.css",
    ):
        assert wanted in text
    assert "GSTIN" not in text
    assert "January" not in text


def test_a_book_too_long_for_one_sheet_says_what_to_do(customer, client_for, monkeypatch):
    monkeypatch.setattr("wallet.statement_views.PRINT_MOST", 2)
    book(customer, *[("recharge", 1_00, "2026-01-05 10:00")] * 2)
    browser = client_for(customer)
    assert len(browser.get("/wallet/statement/print/").context["entries"]) == 2
    book(customer, ("recharge", 1_00, "2026-02-05 10:00"))
    page = browser.get("/wallet/statement/print/")
    assert page.context["entries"] == []
    assert b"more than 2 lines" in page.content
    assert len(browser.get("/wallet/statement/print/?month=2026-01").context["entries"]) == 2


def read_csv(answer) -> list[list[str]]:
    body = b"".join(answer.streaming_content)
    assert body.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_the_csv_is_exact_in_rupees_and_oldest_first(reader):
    answer = reader.get("/wallet/statement/csv/?month=2026-01")
    assert answer.streaming
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="ottsonly-statement-2026-01.csv"'
    )
    columns = ["Line", "Date", "Time (IST)", "Kind", "Description"]
    assert read_csv(answer) == [
        [*columns, "Amount (INR)", "Balance after (INR)"],
        ["1", "2026-01-05", "15:30:00", "Top-up", "a line", "500.00", "500.00"],
        ["2", "2026-01-20", "15:30:00", "Purchase", "a line", "-199.00", "301.00"],
        ["3", "2026-01-31", "23:59:00", "Purchase", "a line", "-100.50", "200.50"],
    ]
    whole = reader.get("/wallet/statement/csv/")
    assert "statement-all.csv" in whole.headers["Content-Disposition"]
    assert [row[0] for row in read_csv(whole)[1:]] == list("1234567")
    refunds = read_csv(reader.get("/wallet/statement/csv/?kind=refund"))
    assert [row[0] for row in refunds[1:]] == ["6"]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "|cmd", "%x", '"=1', "a\nb"],
)
def test_no_text_becomes_a_formula(customer, client_for, text):
    book(customer, ("adjustment", 1_00, "2026-01-05 10:00"), description=text)
    row = read_csv(client_for(customer).get("/wallet/statement/csv/"))[1]
    expected = text if text == "a\nb" else f"'{text}"
    assert row[4] == expected
    assert spreadsheet_text("Prime 50% off = good") == "Prime 50% off = good"


def test_many_lines_are_read_in_parts(customer, client_for, commands):
    lines = {"amount_paise": 1, "reference_type": "adjustment", "description": "a line"}
    WalletTransaction.objects.bulk_create(
        WalletTransaction(
            user=customer, sequence=number, balance_after_paise=number, key=f"{number}", **lines
        )
        for number in range(1, 151)
    )
    client = client_for(customer)
    client.get("/wallet/statement/")
    commands.clear()
    answer = client.get("/wallet/statement/csv/")
    before_reading = len(commands)
    assert len(read_csv(answer)) == 151
    reads = commands[before_reading:]
    assert reads[0] == "aggregate wallet_transactions"
    # Nothing is read before it is asked for, and the driver fetches the rest in batches.
    assert [command.split()[0] for command in reads[1:]] == ["getMore"]


def test_taking_very_many_is_told_to_wait(reader, settings):
    settings.SUPPORT_EMAIL = "help@shop.example"
    for _unused in range(EXPORTS_PER_HOUR):
        reader.get("/wallet/statement/csv/")
    for address in PAGES[1:]:
        answer = reader.get(address)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3600")
        assert b"Please wait a little" in answer.content
        assert b"You took many statements" in answer.content
        assert b"help@shop.example" in answer.content
    assert reader.get("/wallet/statement/").status_code == 200


@pytest.mark.parametrize("address", PAGES)
def test_strangers_log_in_staff_are_refused_and_nobody_posts(reader, client_for, address):
    assert Client().get(address).headers["Location"] == f"/login/?next={address}"
    assert client_for(SupportFactory()).get(address).status_code == 403
    assert reader.post(address).status_code == 405
    assert "no-store" in reader.get(address).headers["Cache-Control"]


def test_months_turn_at_midnight_in_india():
    from wallet.statements import month_bounds

    first, following = month_bounds("2026-12")
    assert first.astimezone(UTC) == datetime(2026, 11, 30, 18, 30, tzinfo=UTC)
    assert following.astimezone(UTC) == datetime(2026, 12, 31, 18, 30, tzinfo=UTC)
