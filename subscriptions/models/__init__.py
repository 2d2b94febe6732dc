"""Stored accounts (the pool), subscriptions, and what is told and said about them."""

from subscriptions.models.pool import MOST_SEATS, Credential, CredentialImport, ImportPart
from subscriptions.models.problem import ProblemReport
from subscriptions.models.reminder import Reminder
from subscriptions.models.subscription import (
    BEGINNING,
    ENDING_DAYS,
    Extension,
    Reveal,
    Subscription,
)

__all__ = [
    "BEGINNING",
    "ENDING_DAYS",
    "MOST_SEATS",
    "Credential",
    "CredentialImport",
    "Extension",
    "ImportPart",
    "ProblemReport",
    "Reminder",
    "Reveal",
    "Subscription",
]
