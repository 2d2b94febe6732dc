"""The time as the database keeps it."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """Return the current time, aware, in UTC, cut to milliseconds.

    MongoDB keeps no more (https://www.mongodb.com/docs/manual/reference/bson-types/#date), so a
    time that is reckoned with after it was stored must not have been finer before.
    """
    moment = timezone.now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
