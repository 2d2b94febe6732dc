"""How deep and how old the outbox is, for the probes."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from telegram_alerts.delivery import is_configured
from telegram_alerts.models import Alert

# Depths are counted up to here: a full outbox is bad enough without its exact figure.
COUNTED = 10_000


def outbox_age() -> timedelta:
    """Return how long the alert that is overdue longest has been due; zero when none is."""
    now = timezone.now()
    due = Alert.objects.filter(state=Alert.State.PENDING, next_attempt_at__lte=now)
    first = due.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    return now - first if first is not None else timedelta()


def check_outbox() -> str:
    """What is due leaves; without a bot nothing has to."""
    if not is_configured():
        return ""
    age = outbox_age().total_seconds()
    return f"alerts wait for {age:.0f} s" if age > settings.OUTBOX_SILENCE_SECONDS else ""


def outbox_metrics() -> Iterable[Metric]:
    """Yield depth by state and age."""
    depth = GaugeMetricFamily(
        "shop_outbox_depth", f"Alerts by state, counted up to {COUNTED}.", labels=["state"]
    )
    for state in (Alert.State.PENDING, Alert.State.HELD, Alert.State.FAILED):
        depth.add_metric([state], Alert.objects.filter(state=state).order_by()[:COUNTED].count())
    yield depth
    yield GaugeMetricFamily(
        "shop_outbox_age_seconds",
        "How long the alert that is overdue longest has been due.",
        value=outbox_age().total_seconds(),
    )
