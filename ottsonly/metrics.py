"""Figures for Prometheus: counted where they happen, read at a guarded address.

With PROMETHEUS_MULTIPROC_DIR set, all web processes of a machine share their counts through files
in that folder. Without it each process knows only its own.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ottsonly.errors import ShopError
from ottsonly.models import PeriodicJob

# What a stranger calls a method makes no row; these are all that the shop is asked with.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUESTS = Counter("shop_requests", "Answers by the web server.", ["method", "view", "status"])
REQUEST_SECONDS = Histogram("shop_request_seconds", "Time to an answer.", ["view"])
PURCHASES = Counter("shop_purchases", "Orders and renewals that were paid.", ["kind"])
REFUSALS = Counter("shop_purchase_refusals", "Purchases refused, by the reason.", ["reason"])
GATEWAY_SECONDS = Histogram(
    "shop_gateway_seconds", "Time that a call to the payment gateway took.", ["call", "outcome"]
)


class MetricsMiddleware:
    """Counts answers and their time by the name of the view, so that no address gets a row."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        view = match.view_name if match is not None and match.view_name else "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(method, view, str(response.status_code)).inc()
        REQUEST_SECONDS.labels(view).observe(time.perf_counter() - started)
        return response


@contextmanager
def purchase_counted(kind: str) -> Iterator[None]:
    """Count one purchase by how it ends: paid, or refused with the class of its error.

    Anything but a refusal, such as a duplicate key, is counted by whoever handles it.
    """
    try:
        yield
    except ShopError as refusal:
        REFUSALS.labels(type(refusal).__name__).inc()
        raise
    PURCHASES.labels(kind).inc()


@contextmanager
def gateway_timed(call: str) -> Iterator[None]:
    """Note how long a call to the gateway took and whether it went well."""
    started, outcome = time.perf_counter(), "ok"
    try:
        yield
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        GATEWAY_SECONDS.labels(call, outcome).observe(time.perf_counter() - started)


def exposition() -> bytes:
    """Return everything in Prometheus' text format."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    stored = CollectorRegistry()
    stored.register(_Stored())
    return generate_latest(registry) + generate_latest(stored)


class _Stored(Collector):
    """What stands in the database, as the rooms of settings.METRIC_SOURCES tell it."""

    def collect(self) -> Iterable[Metric]:
        for path in settings.METRIC_SOURCES:
            yield from import_string(path)()


def job_metrics() -> Iterable[Metric]:
    """Yield how the jobs of the workers went, whichever machine ran them."""
    names = {
        "last_duration_seconds": "How long the last run of a job took.",
        "last_run_timestamp_seconds": "When a job was begun last.",
        "failures": "Failures of a job in a row.",
    }
    families = {
        name: GaugeMetricFamily(f"shop_job_{name}", text, labels=["job"])
        for name, text in names.items()
    }
    for job in PeriodicJob.objects.all():
        if job.last_run is not None:
            at = job.last_run.timestamp()
            families["last_run_timestamp_seconds"].add_metric([job.name], at)
        if job.last_duration_ms is not None:
            families["last_duration_seconds"].add_metric([job.name], job.last_duration_ms / 1000)
        families["failures"].add_metric([job.name], job.failures)
    return families.values()
