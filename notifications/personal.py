"""What notices know of a customer."""

from typing import Any

from notifications.models import Notification


def export(user: Any) -> dict[str, Any]:
    """Return all notices."""
    mine = Notification.objects.for_user(user).order_by("pk")
    return {"notices": list(mine.values("created_at", "title", "body", "read_at"))}


def forget(user: Any) -> None:
    """Nobody reads them any more."""
    Notification.objects.for_user(user).delete()
