"""Jobs of the tests' own, and the fake Bot API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ottsonly.jobs import Job, register_jobs
from tests.telegram_alerts.conftest import make_alerts, make_due, telegram  # noqa: F401
from tests.worker import sample_jobs


@pytest.fixture(autouse=True)
def _nothing_done() -> Iterator[None]:
    sample_jobs.DONE.clear()
    yield
    sample_jobs.DONE.clear()


@pytest.fixture
def make_jobs(db: None, settings: Any) -> Callable[..., list[Job]]:
    """Return a function that makes jobs of tests/worker/sample_jobs.py the only ones there are."""

    def make(*names: str, **fields: Any) -> list[Job]:
        settings.PERIODIC_JOBS = [
            {"name": name, "run": f"tests.worker.sample_jobs.{name}", "every": 60, **fields}
            for name in names
        ]
        register_jobs()
        return [Job(**entry) for entry in settings.PERIODIC_JOBS]

    return make
