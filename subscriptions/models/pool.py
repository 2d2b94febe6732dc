"""Stored accounts, and the imports that brought them."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.models import Plan
from ottsonly.encryption import EncryptedManager, EncryptedTextField, keyed_hash

# So that one account's holders fit into one transaction.
MOST_SEATS = 100


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
