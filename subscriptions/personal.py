"""What subscriptions know of a customer."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from subscriptions.models import ProblemReport, Reminder, Reveal, Subscription


def export(user: Any) -> dict[str, Any]:
    """Return plans, reminders and looks at login details; never the details."""
    return {
        "subscriptions": list(
            Subscription.objects.for_user(user)
            .order_by("pk")
            .values(
                "platform_name",
                "plan_name",
                "starts_at",
                "delivered_at",
                "ends_at",
                "state",
                "auto_renew",
                "customer_email",
            )
        ),
        "reminders": list(
            Reminder.objects.filter(user_id=user.pk)
            .order_by("pk")
            .values("created_at", "kind", "title", "body", "state")
        ),
        "logins_shown": list(
            Reveal.objects.filter(user_id=user.pk).order_by("pk").values("created_at", "ip")
        ),
        "problem_reports": list(
            ProblemReport.objects.for_user(user)
            .order_by("pk")
            .values("created_at", "platform_name", "plan_name", "category", "text", "answer")
        ),
    }


def hindrance(user: Any) -> str:
    """A plan that still runs."""
    mine = Subscription.objects.for_user(user).filter(state=Subscription.State.ACTIVE)
    for item in mine:
        if item.is_running(timezone.now()):
            return _("%s is still running. Let it end first.") % item
    return ""


def forget(user: Any) -> None:
    """Addresses, messages that still wait to be sent, and what was written in reports."""
    mine = Subscription.objects.for_user(user)
    mine.exclude(customer_email="").update(customer_email="")
    mine.filter(auto_renew=True).update(auto_renew=False)
    ProblemReport.objects.for_user(user).exclude(text="").update(text="")
    Reveal.objects.filter(user_id=user.pk).exclude(ip="").update(ip="")
    Reminder.objects.filter(user_id=user.pk, state=Reminder.State.PENDING).update(
        state=Reminder.State.FAILED, channels="", last_error="the account is deleted"
    )
