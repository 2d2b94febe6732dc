"""Audit events: every operator action on money, stock, credentials and roles leaves one."""

from typing import Any

from django.db import models

from ottsonly.models import AuditEvent


def record_event(
    *,
    actor: Any,
    action: str,
    target: models.Model | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write one event in the running transaction.

    Args:
        actor: the user who acts, or None for the system itself.
        action: a short verb phrase, such as "plan.restock".
        target: the document acted upon.
        before, after: what changed, as plain JSON values; never a secret.
    """
    AuditEvent.objects.create(
        actor_id=getattr(actor, "pk", None),
        action=action,
        object_type=target._meta.label_lower if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        before=before or {},
        after=after or {},
    )
