"""Whether the shop is alive and ready, and the figures: for machines, not for people."""

import hmac
import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.utils import timezone
from django.utils.module_loading import import_string
from prometheus_client import CONTENT_TYPE_LATEST

from ottsonly.metrics import exposition
from ottsonly.models import PeriodicJob
from ottsonly.mongo import connection

logger = logging.getLogger(__name__)


class ProbeMiddleware:
    """Answers the probes before anything else looks at the request.

    They come from inside by address and plain HTTP: the checks of host and HTTPS would refuse
    them. They carry no session and need none.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.probes = {"/health/live": live, "/health/ready": ready, "/metrics": metrics}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = self.probes.get(request.path)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405)
        response = probe(request)
        response["Cache-Control"] = "no-store"
        return response


def live(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; asks nothing of the database."""
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """Say what is ready and what is not; 503 unless all is."""
    found = {name: _looked_at(path) for name, path in settings.READINESS_CHECKS.items()}
    good = all(state == "ok" for state in found.values())
    return JsonResponse(found, status=200 if good else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Give the figures to whoever has the token; to all others there is no such page."""
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.METRICS_TOKEN}"
    if not settings.METRICS_TOKEN or not hmac.compare_digest(given.encode(), wanted.encode()):
        return HttpResponseNotFound()
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def _looked_at(path: str) -> str:
    """Return "ok" or what is wrong, in words that tell a stranger nothing."""
    try:
        return import_string(path)() or "ok"
    except Exception:
        logger.exception("readiness check %s failed", path)
        return "no answer"


def check_database() -> str:
    """The database answers."""
    connection.ensure_connection()
    connection.database.command("ping")
    return ""


def check_worker() -> str:
    """Some worker has begun a job lately."""
    # Sorted by nothing: there are as many documents as jobs.
    runs = [at for at in PeriodicJob.objects.values_list("last_run", flat=True) if at]
    if not runs:
        return "no worker has run yet"
    silent = timezone.now() - max(runs)
    if silent > timedelta(seconds=settings.WORKER_SILENCE_SECONDS):
        return f"no worker for {silent.total_seconds():.0f} s"
    return ""
