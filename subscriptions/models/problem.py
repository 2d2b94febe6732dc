"""What customers said does not work."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

from subscriptions.models.pool import Credential
from subscriptions.models.subscription import Subscription


class ProblemReportQuerySet(MongoQuerySet):
    """Reads of problem reports."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)

    def open(self) -> Self:
        """Those that wait for an operator, longest first."""
        return self.filter(state=ProblemReport.State.OPEN).order_by("created_at")


class ProblemReport(models.Model):
    """A customer says that a running subscription does not work; an operator answers."""

    class Category(models.TextChoices):
        """What the customer chooses from."""

        REFUSED = "refused", _("The login or password is refused")
        FULL = "full", _("Too many people are watching")
        PROFILE = "profile", _("My profile or PIN is missing or changed")
        PLAN = "plan", _("It is not the plan that I bought")
        INVITATION = "invitation", _("The invitation did not come")
        OTHER = "other", _("Something else")

    class State(models.TextChoices):
        """An answered report stays closed: what goes wrong again is a new one."""

        OPEN = "open", _("Open")
        ANSWERED = "answered", _("Answered")

    class Outcome(models.TextChoices):
        """What was done about it."""

        ANSWERED = "answered", _("Answered")
        REPLACED = "replaced", _("New login")
        EXTENDED = "extended", _("Days added")
        REFUNDED = "refunded", _("Refunded")

    TRANSITIONS = {State.OPEN: {State.ANSWERED}, State.ANSWERED: set()}

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="problem_reports"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="problem_reports"
    )
    # Copied, so that the queue shows them without a look at each subscription.
    platform_name = models.CharField(max_length=60)
    plan_name = models.CharField(max_length=80)
    # The account that it was about: the subscription may have another one by now.
    credential = models.ForeignKey(
        Credential, null=True, on_delete=models.PROTECT, related_name="problem_reports"
    )
    category = models.CharField(max_length=12, choices=Category)
    text = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)
    answer = models.CharField(max_length=500, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(ProblemReportQuerySet)()

    class Meta:
        db_table = "problem_reports"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(state="open"), name="one_open_report"
            )
        ]
        indexes = [
            models.Index(fields=["state", "created_at"], name="report_state_age"),
            models.Index(fields=["subscription", "-created_at"], name="report_of_subscription"),
            models.Index(fields=["user", "-created_at"], name="report_user_recent"),
            models.Index(fields=["-created_at"], name="report_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.platform_name} {self.plan_name}: {self.get_category_display()}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN
