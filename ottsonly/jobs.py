"""Periodic jobs: claimed by compare-and-set on their next run, by any number of workers.

The jobs of all rooms are named by string in settings.PERIODIC_JOBS, because this floor imports no
room. A job is a function without arguments that does a bounded part of what is due. Every job is
safe beside itself and may be killed anywhere: the claim only spares double work.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from ottsonly.models import PeriodicJob
from ottsonly.mongo import in_transaction
from ottsonly.redaction import redact
from ottsonly.signals import job_failing

logger = logging.getLogger(__name__)

# How long a job may go on before it leaves the rest for its next run.
BUDGET_SECONDS = 20.0
# After this a claim counts as one of a dead worker; far more than the budget and the last step.
LEASE_SECONDS = 120
# After so many failures in a row people are told, once.
FAILURES_TO_TELL = 3
LONGEST_RETRY_SECONDS = 300
DIED = "The worker that ran it ended in the middle."


@dataclass(frozen=True)
class Job:
    """One entry of settings.PERIODIC_JOBS.

    Args:
        name: its key in the console.
        run: dotted path of the function.
        every: seconds between two runs; 0 for one that runs `at` a time of day.
        at: "HH:MM" in settings.TIME_ZONE, once a day.
        shared: several workers may run it at once, because it claims each piece of work itself.
    """

    name: str
    run: str
    every: float = 0
    at: str = ""
    shared: bool = False

    @cached_property
    def function(self) -> Callable[[], Any]:
        return import_string(self.run)

    def next_run(self, after: datetime) -> datetime:
        """Return when it is due next, if it was run at `after`."""
        if not self.at:
            return after + timedelta(seconds=self.every)
        hour, minute = map(int, self.at.split(":"))
        local = after.astimezone(ZoneInfo(settings.TIME_ZONE))
        due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return due if due > local else due + timedelta(days=1)


class _Stop:
    """Whether this process was told to end, and when the budget of the running job ends."""

    asked = False
    deadline = float("inf")


def ask_to_stop() -> None:
    """Let the piece of work in hand finish and begin no other; safe in a signal handler."""
    _Stop.asked = True


def forget_stop() -> None:
    """Forget that it was asked: the process goes on after its worker (a shell, a test)."""
    _Stop.asked = False


def stopping() -> bool:
    """Say whether this process was told to end."""
    return _Stop.asked


def may_continue() -> bool:
    """Say whether the running job may begin another piece of its work."""
    return not _Stop.asked and time.monotonic() < _Stop.deadline


def configured_jobs() -> list[Job]:
    """Return the jobs of settings.PERIODIC_JOBS, in their order."""
    entries: Iterable[dict[str, Any]] = settings.PERIODIC_JOBS
    return [Job(**entry) for entry in entries]


def register_jobs() -> None:
    """Make the documents that are missing, drop those of jobs that are gone, heed shorter pauses.

    Called at the start of each worker; a job of an older version of the shop is simply not run.
    """
    now = timezone.now()
    jobs = configured_jobs()
    known = PeriodicJob.objects.in_bulk([job.name for job in jobs])
    for job in jobs:
        latest = job.next_run(now)
        if job.name not in known:
            try:
                # What has a time of day waits for it; the rest is due at once.
                PeriodicJob.objects.create(name=job.name, next_run=latest if job.at else now)
            except IntegrityError:
                # Another worker starts at the same moment.
                continue
        elif known[job.name].next_run > latest:
            PeriodicJob.objects.filter(pk=job.name, next_run__gt=latest).update(next_run=latest)
    PeriodicJob.objects.exclude(pk__in=[job.name for job in jobs]).delete()


def run_due_jobs() -> int:
    """Run each job that is due once and return how many were run; stops between two when asked."""
    configured = configured_jobs()
    names = [job.name for job in configured]
    found = PeriodicJob.objects.in_bulk(names)
    if len(found) < len(names):
        # A worker of an older version, started since, dropped what it does not know.
        register_jobs()
        found = PeriodicJob.objects.in_bulk(names)
    ran = 0
    for job in configured:
        if stopping():
            break
        document = found.get(job.name)
        if document is None or not _is_due(document, timezone.now()):
            continue
        claim = claim_job(job, document)
        if claim:
            run_job(job, claim)
            ran += 1
    return ran


def seconds_to_next(*, at_most: float) -> float:
    """Return how long nothing is due, at most `at_most` seconds."""
    names = [job.name for job in configured_jobs()]
    times = PeriodicJob.objects.filter(pk__in=names).values_list("next_run", "claimed_until")
    # What another worker is at is due when its claim lapses, however long ago it was to run again.
    due = [claimed_until or next_run for next_run, claimed_until in times]
    if not due:
        return at_most
    return min(at_most, max(0.05, (min(due) - timezone.now()).total_seconds()))


def _is_due(document: PeriodicJob, now: datetime) -> bool:
    if document.claimed_until is not None:
        # While it is claimed nobody else runs it; after that its worker is dead.
        return document.claimed_until <= now
    return document.next_run <= now


def claim_job(job: Job, seen: PeriodicJob) -> str:
    """Claim a run of `job` by the `next_run` that was seen; return the claim, "" if it is lost."""
    now = timezone.now()
    claim = secrets.token_hex(8)
    values: dict[str, Any] = {
        "next_run": job.next_run(now),
        "last_run": now,
        "claimed_by": claim,
        "claimed_until": None if job.shared else now + timedelta(seconds=LEASE_SECONDS),
    }
    if seen.claimed_until is not None:
        values |= {"failures": seen.failures + 1, "last_error": DIED}

    def work() -> int:
        won = PeriodicJob.objects.filter(
            pk=job.name, next_run=seen.next_run, claimed_until=seen.claimed_until
        ).update(**values)
        if won == 1 and values.get("failures") == FAILURES_TO_TELL:
            _tell(job.name)
        return won

    return claim if in_transaction(work) == 1 else ""


def run_job(job: Job, claim: str) -> None:
    """Run a claimed job and note how it went; its error is noted, not raised."""
    started = time.monotonic()
    _Stop.deadline = started + BUDGET_SECONDS
    error = ""
    try:
        job.function()
    except Exception as problem:
        # One job that fails must not keep the others from their work.
        logger.exception("job %s failed", job.name)
        error = redact(f"{type(problem).__name__}: {problem}")[:200]
    finally:
        _Stop.deadline = float("inf")
    _note(job, claim, error, round((time.monotonic() - started) * 1000))


def _note(job: Job, claim: str, error: str, duration_ms: int) -> None:
    def work() -> None:
        mine: QuerySet[PeriodicJob] = PeriodicJob.objects.filter(pk=job.name)
        if not job.shared:
            # Whoever took over after our lease keeps its own record.
            mine = mine.filter(claimed_by=claim)
        document = mine.first()
        if document is None:
            return
        values: dict[str, Any] = {"claimed_until": None, "last_duration_ms": duration_ms}
        if error:
            failures = document.failures + 1
            pause = min(LONGEST_RETRY_SECONDS, max(job.every, 1) * 2 ** min(failures, 10))
            retry = timezone.now() + timedelta(seconds=pause)
            values |= {"failures": failures, "last_error": error, "next_run": retry}
        else:
            values |= {"failures": 0}
        mine.update(**values)
        if error and failures == FAILURES_TO_TELL:
            _tell(job.name)

    in_transaction(work)


def _tell(name: str) -> None:
    job_failing.send(sender=PeriodicJob, job=PeriodicJob.objects.get(pk=name))
