"""Documents that nobody needs after their time.

MongoDB deletes them by itself along the TTL indexes (ottsonly.ttl). The job here does the same for
a server that does not, and costs one look at an index when there is nothing to do.
"""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils import timezone

from ottsonly.jobs import may_continue

BATCH = 500


def delete_perished() -> None:
    """Delete what settings.PERISHABLE names and whose time is over; a job of the worker."""
    for entry in settings.PERISHABLE:
        while may_continue() and _delete_some(**entry) == BATCH:
            continue


def _delete_some(*, model: str, field: str, days: int = 0, **conditions: Any) -> int:
    """Delete up to BATCH documents whose `field` is more than `days` days past."""
    limit = timezone.now() - timedelta(days=days)
    documents: Any = apps.get_model(model)._default_manager
    perished = documents.filter(**conditions, **{f"{field}__lt": limit})
    keys = list(perished.order_by(field).values_list("pk", flat=True)[:BATCH])
    if keys:
        # The condition again: a session may have been prolonged since it was read.
        perished.filter(pk__in=keys).delete()
    return len(keys)
