"""Periodic jobs: who runs them, when, and what is noted."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from ottsonly import jobs
from ottsonly.jobs import DIED, Job, claim_job, register_jobs, run_due_jobs, seconds_to_next
from ottsonly.models import PeriodicJob
from ottsonly.signals import job_failing
from tests.worker.sample_jobs import DONE

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 6, 30, tzinfo=UTC)  # 12:00 in India


def test_a_due_job_runs_once_and_its_run_is_noted(make_jobs):
    make_jobs("first", "second")
    with time_machine.travel(NOON, tick=False):
        PeriodicJob.objects.update(next_run=NOON)
        assert run_due_jobs() == 2
        assert run_due_jobs() == 0
    assert DONE == ["first", "second"]
    job = PeriodicJob.objects.get(pk="first")
    assert (job.last_run, job.next_run) == (NOON, NOON + timedelta(seconds=60))
    assert (job.last_duration_ms, job.failures, job.last_error) == (0, 0, "")
    assert job.claimed_until is None


def test_a_job_with_a_time_of_day_waits_for_it_in_india(make_jobs):
    with time_machine.travel(NOON, tick=False) as clock:
        make_jobs("first", every=0, at="09:00")
        assert run_due_jobs() == 0
        nine = datetime(2026, 3, 2, 3, 30, tzinfo=UTC)
        assert PeriodicJob.objects.get().next_run == nine
        clock.move_to(nine - timedelta(seconds=1))
        assert run_due_jobs() == 0
        clock.move_to(nine)
        assert run_due_jobs() == 1
        assert PeriodicJob.objects.get().next_run == nine + timedelta(days=1)
        # Down for three days and a bit: once, and then at nine again.
        clock.move_to(nine + timedelta(days=3, hours=5))
        assert [run_due_jobs(), run_due_jobs()] == [1, 0]
        assert PeriodicJob.objects.get().next_run == nine + timedelta(days=4)


def test_a_failure_is_noted_without_secrets_and_tried_again_soon(make_jobs, caplog):
    make_jobs("broken", "second")
    with time_machine.travel(NOON, tick=False):
        PeriodicJob.objects.update(next_run=NOON)
        assert run_due_jobs() == 2
    assert DONE == ["second"]
    assert "job broken failed" in caplog.text
    job = PeriodicJob.objects.get(pk="broken")
    assert (
        job.last_error == "RuntimeError: no answer for +91 98***210 from mongodb://***@db.example/x"
    )
    assert (job.failures, job.next_run) == (1, NOON + timedelta(seconds=120))


def test_a_streak_of_failures_is_told_of_once_and_a_new_one_again(make_jobs):
    told: list[tuple[str, int]] = []

    def listener(*, job, **kwargs):
        assert connection.in_atomic_block_mongo
        told.append((job.name, job.failures))

    job_failing.connect(listener)
    try:
        (job,) = make_jobs("broken")
        for _unused in range(5):
            PeriodicJob.objects.update(next_run=timezone.now())
            run_due_jobs()
        assert told == [("broken", 3)]
        assert PeriodicJob.objects.get().failures == 5
        make_jobs("first")
        PeriodicJob.objects.create(name="broken", next_run=timezone.now(), failures=5)
        jobs.run_job(Job(name="broken", run="tests.worker.sample_jobs.first", shared=True), "")
        assert PeriodicJob.objects.get(pk="broken").failures == 0
        make_jobs("broken")
        for _unused in range(3):
            PeriodicJob.objects.update(next_run=timezone.now())
            run_due_jobs()
        assert told == [("broken", 3)] * 2
    finally:
        job_failing.disconnect(listener)


@pytest.mark.parametrize("failures", [40, 5000])
def test_the_longest_pause_after_failures_is_five_minutes(make_jobs, failures):
    (job,) = make_jobs("broken", every=1.5)
    PeriodicJob.objects.update(failures=failures)
    with time_machine.travel(NOON, tick=False):
        claim = claim_job(job, PeriodicJob.objects.get())
        jobs.run_job(job, claim)
    assert PeriodicJob.objects.get().next_run == NOON + timedelta(minutes=5)


def test_a_claimed_job_is_left_alone_until_its_worker_counts_as_dead(make_jobs):
    (job,) = make_jobs("first")
    with time_machine.travel(NOON, tick=False) as clock:
        PeriodicJob.objects.update(next_run=NOON)
        assert claim_job(job, PeriodicJob.objects.get())
        clock.move_to(NOON + timedelta(seconds=jobs.LEASE_SECONDS - 1))
        assert run_due_jobs() == 0
        clock.move_to(NOON + timedelta(seconds=jobs.LEASE_SECONDS))
        assert run_due_jobs() == 1
    found = PeriodicJob.objects.get()
    assert DONE == ["first"]
    assert (found.last_error, found.failures, found.claimed_until) == (DIED, 0, None)


def test_a_worker_that_dies_at_the_same_job_three_times_is_told_of(make_jobs):
    told = []

    def listener(*, job, **kwargs):
        told.append(job.failures)

    job_failing.connect(listener)
    try:
        (job,) = make_jobs("first")
        for _unused in range(5):
            assert claim_job(job, PeriodicJob.objects.get())
            past = timezone.now() - timedelta(seconds=1)
            PeriodicJob.objects.update(claimed_until=past)
    finally:
        job_failing.disconnect(listener)
    assert told == [3]
    assert PeriodicJob.objects.get().failures == 4


def test_a_claim_seen_by_two_is_won_by_one(make_jobs):
    (job,) = make_jobs("first")
    seen = PeriodicJob.objects.get()
    assert [bool(claim_job(job, seen)), bool(claim_job(job, seen))] == [True, False]


def test_a_worker_that_came_back_late_does_not_touch_its_successors_claim(make_jobs):
    (job,) = make_jobs("first")
    late = claim_job(job, PeriodicJob.objects.get())
    PeriodicJob.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert claim_job(job, PeriodicJob.objects.get())
    jobs.run_job(job, late)
    found = PeriodicJob.objects.get()
    assert found.claimed_until is not None
    assert found.last_duration_ms is None


def test_a_shared_job_may_run_in_two_workers_at_once(make_jobs):
    (job,) = make_jobs("first", shared=True)
    assert claim_job(job, PeriodicJob.objects.get())
    PeriodicJob.objects.update(next_run=timezone.now())
    assert claim_job(job, PeriodicJob.objects.get())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("workers", [2, 8])
def test_workers_at_once_run_a_job_once(make_jobs, workers):
    make_jobs("first", "second", every=3600)
    barrier = threading.Barrier(workers)
    ran = []

    def work() -> None:
        try:
            barrier.wait(timeout=30)
            ran.append(run_due_jobs())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _unused in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert (len(ran), sum(ran), sorted(DONE)) == (workers, 2, ["first", "second"])


def test_control_without_the_condition_both_would_run_it(make_jobs, monkeypatch):
    (job,) = make_jobs("first")
    seen = PeriodicJob.objects.get()
    assert claim_job(job, seen)
    fresh = PeriodicJob.objects.get()
    assert claim_job(job, fresh), "who reads after the claim and heeds only next_run runs it too"


def test_the_budget_ends_a_job_that_would_go_on(make_jobs, monkeypatch):
    monkeypatch.setattr(jobs, "BUDGET_SECONDS", 0.05)
    make_jobs("endless")
    assert run_due_jobs() == 1
    assert DONE.count("piece") >= 1
    assert PeriodicJob.objects.get().failures == 0
    assert jobs.may_continue()


def test_registering_drops_what_is_gone_and_heeds_a_shorter_pause(make_jobs):
    make_jobs("first", "second", every=86_400)
    assert run_due_jobs() == 2
    make_jobs("first", every=60)
    found = PeriodicJob.objects.get()
    assert found.name == "first"
    assert found.next_run <= timezone.now() + timedelta(seconds=60)
    register_jobs()
    assert PeriodicJob.objects.count() == 1


def test_the_pause_ends_when_the_first_job_is_due(make_jobs):
    make_jobs("first", "second")
    with time_machine.travel(NOON, tick=False):
        PeriodicJob.objects.filter(pk="first").update(next_run=NOON + timedelta(seconds=0.5))
        PeriodicJob.objects.filter(pk="second").update(next_run=NOON + timedelta(seconds=9))
        assert seconds_to_next(at_most=1.0) == 0.5
        assert seconds_to_next(at_most=0.2) == 0.2


def test_a_job_that_another_worker_is_at_lets_this_one_rest(make_jobs):
    (job,) = make_jobs("first", every=2)
    with time_machine.travel(NOON, tick=False) as clock:
        PeriodicJob.objects.update(next_run=NOON)
        assert claim_job(job, PeriodicJob.objects.get())
        # Its next run is past by now, but its claim is not.
        clock.move_to(NOON + timedelta(seconds=10))
        assert seconds_to_next(at_most=1.0) == 1.0
        clock.move_to(NOON + timedelta(seconds=jobs.LEASE_SECONDS))
        assert seconds_to_next(at_most=1.0) == 0.05


def test_a_job_that_an_older_worker_dropped_is_made_again(make_jobs, settings):
    make_jobs("first", "second")
    newer = settings.PERIODIC_JOBS
    # A worker of a version that knows only the first starts while this one runs.
    settings.PERIODIC_JOBS = newer[:1]
    register_jobs()
    assert PeriodicJob.objects.count() == 1
    settings.PERIODIC_JOBS = newer
    assert run_due_jobs() == 2
    assert sorted(DONE) == ["first", "second"]


def test_every_configured_job_can_be_found_and_has_one_rhythm(db):
    found = jobs.configured_jobs()
    assert len({job.name for job in found}) == len(found)
    for job in found:
        assert callable(job.function)
        assert bool(job.every) != bool(job.at)
