"""Problem reports: a customer says that something does not work, an operator answers."""

from typing import Any

from bson import ObjectId
from django.conf import settings
from django.db import IntegrityError
from django.utils.translation import gettext as _

from ottsonly import clock
from ottsonly.audit import record_event
from ottsonly.limits import allow
from ottsonly.mongo import in_transaction
from ottsonly.states import sources
from subscriptions.errors import ProblemRefused
from subscriptions.models import ProblemReport, Subscription
from subscriptions.pool import replace_with_new
from subscriptions.services import extend_subscription, replace_credentials
from subscriptions.signals import problem_answered, problem_reported

DAY_SECONDS = 86400


def report_problem(
    *, subscription: Subscription, user: Any, category: str, text: str = ""
) -> ProblemReport:
    """Open a report; while one is open, that one is returned and nothing is written.

    Args:
        category: a value of ProblemReport.Category.

    Raises:
        ProblemRefused: it is not the user's, does not run, or too much was reported today.
    """
    if subscription.user_id != user.pk or not subscription.can_report_problem:
        raise ProblemRefused(_("Only a plan that runs can be reported."))
    earlier = _open_report(subscription)
    if earlier is not None:
        return earlier
    if not allow(f"problem:{user.pk}", limit=settings.PROBLEMS_PER_DAY, seconds=DAY_SECONDS):
        raise ProblemRefused(
            _("You reported a lot today. We are looking at it: please go on tomorrow.")
        )
    pk, now = ObjectId(), clock.now()

    def work() -> ProblemReport:
        fresh = Subscription.objects.get(pk=subscription.pk)
        report = ProblemReport(
            pk=pk,
            subscription=fresh,
            user=user,
            platform_name=fresh.platform_name,
            plan_name=fresh.plan_name,
            credential_id=fresh.credential_id,
            category=category,
            text=text,
            created_at=now,
        )
        report.save(force_insert=True)
        problem_reported.send(sender=ProblemReport, report=report, subscription=fresh)
        return report

    try:
        return in_transaction(work)
    except IntegrityError:
        earlier = _open_report(subscription)
        if earlier is None:
            raise
        return earlier


def _open_report(subscription: Subscription) -> ProblemReport | None:
    return ProblemReport.objects.filter(
        subscription_id=subscription.pk, state=ProblemReport.State.OPEN
    ).first()


def latest_report(subscription: Subscription) -> ProblemReport | None:
    """Return the newest report of a subscription, open or answered."""
    reports = ProblemReport.objects.filter(subscription_id=subscription.pk)
    return reports.order_by("-created_at").first()


def answer_report(
    *,
    report: ProblemReport,
    answer: str,
    actor: Any,
    outcome: str = ProblemReport.Outcome.ANSWERED,
) -> ProblemReport:
    """Close a report with an answer that the customer reads.

    Called inside a transaction it comes first: what else is done about the report is then done
    once, whoever else answers it.

    Raises:
        ProblemRefused: it was answered already.
    """

    def work() -> ProblemReport:
        answered = ProblemReport.objects.filter(
            pk=report.pk,
            state__in=sources(ProblemReport.TRANSITIONS, ProblemReport.State.ANSWERED),
        ).update(
            state=ProblemReport.State.ANSWERED,
            answer=answer,
            outcome=outcome,
            answered_by=actor,
            answered_at=clock.now(),
        )
        if answered != 1:
            raise ProblemRefused(_("This report was answered already."))
        fresh = ProblemReport.objects.select_related("subscription").get(pk=report.pk)
        record_event(
            actor=actor,
            action="problem.answer",
            target=fresh,
            after={"answer": answer, "outcome": outcome},
        )
        problem_answered.send(sender=ProblemReport, report=fresh, subscription=fresh.subscription)
        return fresh

    return in_transaction(work)


def replace_and_answer(
    *,
    report: ProblemReport,
    answer: str,
    actor: Any,
    burn: bool = True,
    account: dict[str, Any] | None = None,
) -> ProblemReport:
    """Give the customer another account and answer; both or neither.

    Args:
        burn: retire the account that does not work, so that nobody else gets it.
        account: login, password, pin and profile that were typed; None takes a seat of the pool.

    Raises:
        ProblemRefused: it was answered already.
        ReplacementRefused, NoSeat: there is no seat, or the subscription has ended.
    """

    def work() -> ProblemReport:
        answered = answer_report(
            report=report, answer=answer, actor=actor, outcome=ProblemReport.Outcome.REPLACED
        )
        reason = f"problem report: {answered.get_category_display()}"
        if account is None:
            replace_credentials(
                subscription=answered.subscription, reason=reason, actor=actor, burn=burn
            )
        else:
            replace_with_new(
                subscription=answered.subscription,
                reason=reason,
                actor=actor,
                burn=burn,
                **account,
            )
        return answered

    return in_transaction(work)


def extend_and_answer(
    *, report: ProblemReport, days: int, answer: str, actor: Any, key: str
) -> ProblemReport:
    """Give days for those that were lost and answer; both or neither.

    Raises:
        ProblemRefused: it was answered already.
        ExtensionRefused: it ended, or the number of days is none.
    """

    def work() -> ProblemReport:
        answered = answer_report(
            report=report, answer=answer, actor=actor, outcome=ProblemReport.Outcome.EXTENDED
        )
        extend_subscription(
            subscription=answered.subscription,
            days=days,
            reason=f"problem report: {answered.get_category_display()}",
            actor=actor,
            key=key,
        )
        return answered

    return in_transaction(work)
