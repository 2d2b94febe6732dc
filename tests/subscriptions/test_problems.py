"""Problem reports: one open per plan, answered once, and what is done about it is done with it."""

import threading
from contextlib import suppress

import pytest
from django.db import connection

from notifications.models import Notification
from orders.books import check_books
from orders.errors import RefundRefused
from orders.models import Refund
from orders.refunds import refund_and_answer
from ottsonly.models import AuditEvent
from subscriptions.errors import NoSeat, ProblemRefused
from subscriptions.models import Credential, Extension, ProblemReport, Subscription
from subscriptions.problems import (
    answer_report,
    extend_and_answer,
    replace_and_answer,
    report_problem,
)
from telegram_alerts.models import Alert
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money
from wallet.services import balance_of

pytestmark = pytest.mark.django_db
WRONG = {"category": "refused", "text": "It says wrong password"}


@pytest.fixture
def running(customer):
    plan = PlanFactory()
    add_account(plan, login="old@example.com")
    give_money(customer, 500_00)
    return buy(customer, plan).subscription


@pytest.fixture
def report(running, customer):
    return report_problem(subscription=running, user=customer, **WRONG)


def url(subscription):
    return f"{subscription.get_absolute_url()}problem/"


def test_a_customer_reports_and_sees_the_state_and_the_answer(running, customer, client_for):
    client = client_for(customer)
    page = client.get(running.get_absolute_url()).content.decode()
    assert "Say what is wrong" in page
    assert "The invitation did not come" not in page
    answer = client.post(url(running), WRONG)
    assert answer.headers["Location"] == f"{running.get_absolute_url()}#problem"
    report = ProblemReport.objects.get()
    assert (report.state, report.category, report.text) == ("open", "refused", WRONG["text"])
    assert report.credential_id == running.credential_id
    page = client.get(running.get_absolute_url()).content.decode()
    assert "We are looking at it." in page
    assert "Report it" not in page
    answer_report(report=report, answer="Use the <b>new</b> one", actor=AdminFactory())
    page = client.get(running.get_absolute_url()).content.decode()
    assert "Use the &lt;b&gt;new&lt;/b&gt; one" in page
    assert "Report something else" in page
    notice = Notification.objects.get(title__contains="an answer to your report")
    assert (notice.user_id, notice.body) == (customer.pk, "Use the <b>new</b> one")
    assert notice.link == running.get_absolute_url()


def test_a_report_is_an_alert_without_what_was_typed(report):
    alert = Alert.objects.get(kind="problem")
    assert "The login or password is refused" in alert.text
    assert WRONG["text"] not in alert.text
    assert f"/admin/subscriptions/problemreport/{report.pk}/change/" in alert.text


def test_the_second_report_is_the_first_one_until_it_is_answered(report, running, customer):
    again = report_problem(subscription=running, user=customer, category="other")
    assert again.pk == report.pk
    assert (ProblemReport.objects.count(), Alert.objects.filter(kind="problem").count()) == (1, 1)
    answer_report(report=report, answer="x", actor=None)
    new = report_problem(subscription=running, user=customer, category="other")
    assert new.pk != report.pk
    assert ProblemReport.objects.open().get().pk == new.pk


def test_ten_reports_at_once_are_one(running, customer, transactional_db):
    found = []

    def go():
        try:
            found.append(report_problem(subscription=running, user=customer, **WRONG).pk)
        except Exception as error:
            found.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=go) for _unused in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [ProblemReport.objects.get().pk] * 6
    assert Alert.objects.filter(kind="problem").count() == 1


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"text": "x"}, "category"),
        ({"category": "nonsense"}, "category"),
        ({"category": "invitation"}, "category"),
        ({"category": "other", "text": "x" * 501}, "text"),
    ],
)
def test_a_form_filled_in_wrongly_keeps_what_was_typed(running, customer, client_for, data, field):
    page = client_for(customer).post(url(running), data)
    assert list(page.context["problem_form"].errors) == [field]
    assert page.context["problem_form"]["text"].value() == data.get("text")
    assert ProblemReport.objects.count() == 0


def test_a_stranger_and_what_has_ended_report_nothing(running, customer, client_for):
    assert client_for(CustomerFactory()).post(url(running), WRONG).status_code == 404
    with pytest.raises(ProblemRefused):
        report_problem(subscription=running, user=CustomerFactory(), **WRONG)
    Subscription.objects.update(state="expired")
    page = client_for(customer).post(url(running), WRONG)
    assert page.context["problem_form"].non_field_errors() == [
        "Only a plan that runs can be reported."
    ]
    assert ProblemReport.objects.count() == 0
    assert Alert.objects.filter(kind="problem").count() == 0


def test_too_many_reports_in_a_day_are_refused_in_words(running, customer, client_for, settings):
    settings.PROBLEMS_PER_DAY = 2
    for _unused in range(2):
        answer_report(
            report=report_problem(subscription=running, user=customer, **WRONG),
            answer="x",
            actor=None,
        )
    page = client_for(customer).post(url(running), WRONG)
    (sentence,) = page.context["problem_form"].non_field_errors()
    assert "please go on tomorrow" in sentence
    assert page.context["problem_form"]["text"].value() == WRONG["text"]
    assert ProblemReport.objects.count() == 2


def test_an_answer_is_given_once(report):
    admin = AdminFactory()
    answer_report(report=report, answer="first", actor=admin)
    with pytest.raises(ProblemRefused):
        answer_report(report=report, answer="second", actor=admin)
    report.refresh_from_db()
    assert (report.answer, report.answered_by_id) == ("first", admin.pk)
    assert Notification.objects.filter(title__contains="an answer").count() == 1
    assert AuditEvent.objects.filter(action="problem.answer").count() == 1


def test_replacing_burns_the_account_and_answers(report, running):
    new = add_account(running.plan)
    replace_and_answer(report=report, answer="A new login", actor=AdminFactory())
    report.refresh_from_db()
    assert (report.state, report.outcome) == ("answered", "replaced")
    assert Subscription.objects.get().credential_id == new.pk
    assert Credential.objects.get(pk=running.credential_id).state == "retired"
    with pytest.raises(ProblemRefused):
        replace_and_answer(report=report, answer="again", actor=None)
    assert Subscription.objects.get().credential_id == new.pk
    assert list(check_books()) == []


def test_without_a_seat_nothing_is_answered_and_a_typed_account_helps(report, running):
    with pytest.raises(NoSeat):
        replace_and_answer(report=report, answer="A new login", actor=None)
    report.refresh_from_db()
    assert (report.state, report.answer) == ("open", "")
    assert Notification.objects.filter(title__contains="an answer").count() == 0
    account = {"login": "typed@example.com", "password": "p", "pin": "", "profile": ""}
    replace_and_answer(report=report, answer="Here", actor=None, account=account)
    assert Subscription.objects.select_related("credential").get().credential.login == (
        "typed@example.com"
    )


def test_days_are_given_with_the_answer_once(report, running):
    for _unused in range(2):
        with suppress(ProblemRefused):
            extend_and_answer(report=report, days=2, answer="Sorry", actor=None, key="k")
    assert Extension.objects.get().days == 2
    report.refresh_from_db()
    assert report.outcome == "extended"
    assert list(check_books()) == []


def test_money_goes_back_with_the_answer_or_neither(report, running, customer):
    order = running.orders.get()
    give = {"report": report, "order": order, "answer": "Sorry", "actor": None, "key": "k"}
    with pytest.raises(RefundRefused):
        refund_and_answer(amount_paise=199_01, take_back=False, **give)
    report.refresh_from_db()
    assert (report.state, balance_of(customer.pk)) == ("open", 301_00)
    refund_and_answer(amount_paise=50_00, take_back=False, **give)
    with pytest.raises(ProblemRefused):
        refund_and_answer(amount_paise=50_00, take_back=False, **give)
    assert (balance_of(customer.pk), Refund.objects.count()) == (351_00, 1)
    other = CustomerFactory()
    give_money(other, 500_00)
    with pytest.raises(RefundRefused):
        refund_and_answer(
            amount_paise=1, take_back=False, **{**give, "order": buy(other, running.plan)}
        )
    assert list(check_books()) == []
