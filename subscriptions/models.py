"""Stored credentials (the pool) and subscriptions."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_mongodb_backend.managers import MongoManager
from django_mongodb_backend.queryset import MongoQuerySet

from catalog.models import Delivery, Hue, Mark, Plan
from ottsonly.encryption import EncryptedManager, EncryptedTextField, keyed_hash

ENDING_DAYS = 3
# So that one account's holders fit into one transaction.
MOST_SEATS = 100
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Credential(models.Model):
    """An account of a platform that has seats for customers; its secrets are encrypted."""

    class State(models.TextChoices):
        """What the account can be used for."""

        AVAILABLE = "available", _("Available")
        FULL = "full", _("Full")
        RETIRED = "retired", _("Retired")

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="credentials")
    login = EncryptedTextField()
    password = EncryptedTextField()
    pin = EncryptedTextField(blank=True, default="")
    profile = models.CharField(max_length=60, blank=True)
    notes = models.CharField(max_length=200, blank=True)
    seats = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_SEATS)]
    )
    seats_used = models.PositiveIntegerField(default=0, editable=False)
    rotation_due = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.AVAILABLE)
    # Keyed hash of platform and login: finds doubles although the login is encrypted.
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    # Set while a retired account's holders are being moved to others.
    moving_since = models.DateTimeField(null=True, blank=True, editable=False)
    imported_by = models.ForeignKey(
        "CredentialImport",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="credentials",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = EncryptedManager()

    class Meta:
        db_table = "credentials"
        indexes = [
            models.Index(fields=["plan", "state", "rotation_due", "created_at"], name="cred_free"),
            models.Index(fields=["-created_at"], name="cred_recent"),
            models.Index(fields=["plan", "-created_at"], name="cred_plan_recent"),
            models.Index(fields=["state", "moving_since"], name="cred_moving"),
        ]

    def __str__(self) -> str:
        return f"account {self.fingerprint[:8]}"

    @staticmethod
    def fingerprint_of(*, platform_id: Any, login: str) -> str:
        """Return the keyed hash under which an account is unique."""
        return keyed_hash("credential", f"{platform_id}\x00{login.strip().casefold()}")


class SubscriptionQuerySet(MongoQuerySet):
    """Reads of subscriptions."""

    def for_user(self, user: Any) -> Self:
        return self.filter(user_id=user.pk)

    def running(self, now: datetime | None = None) -> Self:
        """Those that can be used at `now` by their dates, or wait for their delivery."""
        return self.filter(
            Q(delivered_at__isnull=True) | Q(ends_at__gt=now or timezone.now()),
            state=Subscription.State.ACTIVE,
        )

    def without_seat(self) -> Self:
        """Delivered ones whose account was retired and that got no other yet; longest first."""
        return self.filter(state=Subscription.State.ACTIVE, seat_lost_at__gt=BEGINNING).order_by(
            "seat_lost_at"
        )

    def to_invite_again(self) -> Self:
        """Those whose invitation was marked as sent and was not; longest first."""
        return self.filter(
            state=Subscription.State.ACTIVE, invitation_undone_at__gt=BEGINNING
        ).order_by("invitation_undone_at")


class Subscription(models.Model):
    """The customer's right to watch, from payment to its end.

    `paid_days` are all paid, unrefunded days. Until `delivered_at` is set nothing expires; at the
    first delivery `ends_at` becomes `delivered_at + paid_days`.
    """

    class State(models.TextChoices):
        """The stored state; whether it still runs is asked of `ends_at` and the clock."""

        ACTIVE = "active", _("Active")
        EXPIRED = "expired", _("Ended")
        CANCELLED = "cancelled", _("Cancelled")

    # What has ended gave its seat away, so it is bought anew and never taken up again.
    TRANSITIONS = {
        State.ACTIVE: {State.EXPIRED, State.CANCELLED},
        State.EXPIRED: set(),
        State.CANCELLED: set(),
    }

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="subscriptions")
    platform_name = models.CharField(max_length=60)
    plan_name = models.CharField(max_length=80)
    hue = models.CharField(max_length=10, choices=Hue)
    mark = models.CharField(max_length=10, choices=Mark)
    delivery = models.CharField(max_length=20, choices=Delivery)
    paid_days = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="subscriptions"
    )
    # True while a seat of `credential` is counted for this subscription.
    holds_seat = models.BooleanField(default=False)
    # Since when it runs without a seat, because its account was retired and the pool was empty.
    seat_lost_at = models.DateTimeField(null=True, blank=True)
    customer_email = models.EmailField(blank=True)
    # When the invitation was marked as sent, and when that turned out to be wrong.
    invited_at = models.DateTimeField(null=True, blank=True)
    invitation_undone_at = models.DateTimeField(null=True, blank=True)
    # The customer wants it renewed from the wallet before it ends.
    auto_renew = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(SubscriptionQuerySet)()

    class Meta:
        db_table = "subscriptions"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="sub_user_recent"),
            models.Index(fields=["-created_at"], name="sub_recent"),
            models.Index(fields=["state", "-created_at"], name="sub_state_recent"),
            models.Index(fields=["credential", "holds_seat"], name="sub_seats"),
            models.Index(fields=["plan", "state", "delivered_at", "created_at"], name="sub_wait"),
            models.Index(
                fields=["state", "ends_at"], name="sub_ending", condition=Q(state="active")
            ),
            models.Index(fields=["state", "seat_lost_at"], name="sub_seatless"),
            models.Index(fields=["state", "invitation_undone_at"], name="sub_uninvited"),
        ]

    def __str__(self) -> str:
        return f"{self.platform_name} {self.plan_name}"

    def get_absolute_url(self) -> str:
        return reverse("subscriptions:detail", args=[self.pk])

    def is_running(self, now: datetime | None = None) -> bool:
        """Say whether it can be used at `now`, by its dates and not by the worker's state."""
        now = now or timezone.now()
        return self.state == self.State.ACTIVE and (self.delivered_at is None or self.ends_at > now)

    def is_over(self, now: datetime) -> bool:
        """Say whether it has to be ended at `now`: active by its state, not by the clock."""
        return (
            self.state == self.State.ACTIVE
            and self.delivered_at is not None
            and self.ends_at <= now
        )

    @property
    def can_reveal(self) -> bool:
        return (
            self.delivered_at is not None
            and self.credential_id is not None
            and self.holds_seat
            and self.is_running()
        )

    @property
    def awaits_new_login(self) -> bool:
        """Whether its account was retired and the next one is not there yet."""
        return self.seat_lost_at is not None and not self.holds_seat and self.is_running()

    @property
    def is_invited(self) -> bool:
        return self.invited_at is not None and self.invitation_undone_at is None

    @property
    def can_report_problem(self) -> bool:
        return self.delivered_at is not None and self.is_running()

    @property
    def can_renew(self) -> bool:
        """Whether a period can be added: as long as it keeps its seat, so until it is expired."""
        return self.state == self.State.ACTIVE

    @property
    def plan_is_sold(self) -> bool:
        return self.plan.is_active and self.plan.platform.is_active

    @property
    def renew_url(self) -> str:
        return reverse("orders:renew", args=[self.pk])

    @property
    def days_left(self) -> int:
        """Days left, a started day counted whole; all paid days while undelivered."""
        if self.delivered_at is None:
            return self.paid_days
        seconds = (self.ends_at - timezone.now()).total_seconds()
        return max(0, math.ceil(seconds / 86400))

    @property
    def days_total(self) -> int:
        if self.delivered_at is None:
            return self.paid_days
        return max(1, round((self.ends_at - self.delivered_at) / timedelta(days=1)))

    @property
    def days_used(self) -> int:
        return max(0, self.days_total - self.days_left)

    @property
    def status(self) -> str:
        """waiting, active, ending, expired or cancelled: what the customer is told."""
        if self.state == self.State.CANCELLED:
            return "cancelled"
        if not self.is_running():
            return "expired"
        if self.delivered_at is None:
            return "waiting"
        return "ending" if self.days_left <= ENDING_DAYS else "active"

    @property
    def status_text(self) -> str:
        texts = {
            "cancelled": _t("Cancelled"),
            "expired": _t("Ended"),
            "active": _t("Active"),
        }
        if self.status == "waiting":
            if self.delivery == Delivery.CUSTOMER_EMAIL:
                return _t("Invitation on its way")
            return _t("Preparing your login")
        if self.awaits_new_login:
            return _t("New login on its way")
        if self.status == "ending":
            left = self.days_left
            return ngettext("Ends in %d day", "Ends in %d days", left) % left
        return texts[self.status]

    @property
    def waiting_note(self) -> str:
        """What the customer waits for, in a sentence; empty where nothing is awaited."""
        if self.awaits_new_login:
            return _t(
                "Your old login does not work any more. A new one is being prepared and you are "
                "told when it is here."
            )
        if self.invitation_undone_at is not None and self.is_running():
            return _t(
                "We are inviting %(email)s once more. The days that you lost are added when the "
                "invitation is sent."
            ) % {"email": self.customer_email}
        if self.status != "waiting":
            return ""
        if self.delivery == Delivery.CUSTOMER_EMAIL:
            return _t(
                "We are inviting %(email)s. Your days are counted from the invitation, "
                "so waiting costs you none."
            ) % {"email": self.customer_email}
        return _t(
            "Your login is being prepared and you are told when it is here. Your days are counted "
            "from that moment, so waiting costs you none."
        )


class ExtensionQuerySet(MongoQuerySet):
    """Refuses to delete what was given."""

    def delete(self) -> NoReturn:
        raise TypeError("extensions are never deleted")


class Extension(models.Model):
    """Days that an operator gave without payment; never deleted, and only its period moves.

    The period lies in the row of the paid ones, so that a delivery or a refund moves it like them.
    """

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="extensions"
    )
    days = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    reason = models.CharField(max_length=200)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # None until the subscription is delivered.
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    key = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MongoManager.from_queryset(ExtensionQuerySet)()

    class Meta:
        db_table = "subscription_extensions"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["subscription", "created_at"], name="extension_of"),
            models.Index(fields=["-created_at"], name="extension_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.days} days more"

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("extensions are never deleted")


class Reminder(models.Model):
    """What a customer was told about an end, once, and how it leaves the shop besides.

    The notice in the shop is written in the same transaction. SMS and e-mail are sent later by the
    worker: this document is their outbox.
    """

    class Kind(models.TextChoices):
        """One of each for every end that a subscription has had."""

        DAYS_7 = "days_7", _("Ends in 7 days")
        DAYS_3 = "days_3", _("Ends in 3 days")
        DAYS_1 = "days_1", _("Ends in 1 day")
        ENDED = "ended", _("Ended")
        CONSENT = "consent", _("Automatic renewal switched on")
        RENEWAL = "renewal", _("Automatic renewal announced")
        SHORT_3 = "short_3", _("Wallet too short, first try")
        SHORT_2 = "short_2", _("Wallet too short, second try")
        SHORT_1 = "short_1", _("Wallet too short, last try")
        NOT_RENEWED = "not_renewed", _("Not renewed")

    class State(models.TextChoices):
        """done: nothing has to leave the shop (any more)."""

        PENDING = "pending", _("Waiting")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="reminders"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reminders"
    )
    kind = models.CharField(max_length=20, choices=Kind)
    ends_at = models.DateTimeField()
    title = models.CharField(max_length=200, blank=True)
    body = models.CharField(max_length=500, blank=True)
    # What a renewal may cost at most, and the days that it must bring; only of those kinds.
    amount_paise = models.PositiveIntegerField(null=True, blank=True)
    days = models.PositiveIntegerField(null=True, blank=True)
    # What still has to leave the shop, such as "sms,email".
    channels = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.DONE)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=40, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "subscription_reminders"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "kind", "ends_at"], name="remind_once")
        ]
        indexes = [
            models.Index(fields=["state", "next_attempt_at"], name="reminder_due"),
            models.Index(fields=["user", "-created_at", "-id"], name="reminder_user_recent"),
            models.Index(fields=["-created_at", "-id"], name="reminder_recent"),
        ]

    @property
    def link(self) -> str:
        """Where the notice leads: to the renewal, unless it renews by itself."""
        leads_to_renewal = self.kind in (
            self.Kind.DAYS_7,
            self.Kind.DAYS_3,
            self.Kind.DAYS_1,
            self.Kind.ENDED,
            self.Kind.NOT_RENEWED,
        )
        name = "orders:renew" if leads_to_renewal else "subscriptions:detail"
        return reverse(name, args=[self.subscription_id])

    def __str__(self) -> str:
        return self.get_kind_display()


class Reveal(models.Model):
    """Somebody looked at stored credentials."""

    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="reveals")
    subscription = models.ForeignKey(
        Subscription, null=True, on_delete=models.PROTECT, related_name="reveals"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reveals"
    )
    ip = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "credential_reveals"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="reveal_user_recent"),
            models.Index(fields=["-created_at"], name="reveal_recent"),
        ]

    def __str__(self) -> str:
        return f"reveal of account at {self.created_at:%Y-%m-%d %H:%M}"


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


class CredentialImport(models.Model):
    """Many accounts for one plan, looked at first and then written part by part."""

    class State(models.TextChoices):
        """checked -> running -> done; what nobody starts is discarded."""

        CHECKED = "checked", _("Checked, not started")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        DISCARDED = "discarded", _("Discarded")

    TRANSITIONS = {
        State.CHECKED: {State.RUNNING, State.DISCARDED},
        State.RUNNING: {State.DONE},
        State.DONE: set(),
        State.DISCARDED: set(),
    }

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="imports")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=64, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.CHECKED)
    # What the dry run found.
    lines = models.PositiveIntegerField(default=0)
    good = models.PositiveIntegerField(default=0)
    bad = models.PositiveIntegerField(default=0)
    doubled_in_file = models.PositiveIntegerField(default=0)
    doubled_in_pool = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "credential_imports"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["state", "created_at"], name="import_state_age"),
            models.Index(fields=["-created_at"], name="import_recent"),
        ]

    def __str__(self) -> str:
        return f"import of {self.lines} lines"


class ImportPart(models.Model):
    """Up to 500 lines of an import; they lie here encrypted until they are in the pool."""

    source = models.ForeignKey(CredentialImport, on_delete=models.PROTECT, related_name="parts")
    number = models.PositiveIntegerField()
    # JSON of the good lines; emptied when they are written.
    payload = EncryptedTextField(blank=True, default="")
    # [line number, verdict] of each line, without what is in it.
    verdicts = models.JSONField(default=list)
    size = models.PositiveIntegerField(default=0)
    written = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)

    objects = EncryptedManager()

    class Meta:
        db_table = "credential_import_parts"
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="import_part_once")
        ]

    def __str__(self) -> str:
        return f"part {self.number}"
