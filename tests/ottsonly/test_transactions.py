"""Promise 5: conflicts are retried and bounded, and a failed commit poisons nothing."""

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django_mongodb_backend import transaction as backend_transaction
from pymongo.errors import AutoReconnect, PyMongoError

from catalog.models import Platform
from ottsonly import mongo
from ottsonly.models import Counter
from ottsonly.mongo import in_transaction
from tests.factories import PlatformFactory
from tests.faults.mongo_proxy import CuttingProxy
from tests.rival import rival_before

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def platform() -> Platform:
    return PlatformFactory(position=0)


@pytest.fixture
def cut_commits(transactional_db: None) -> Iterator[Callable[..., CuttingProxy]]:
    """Return a function that puts a proxy between Django and the database; see CuttingProxy."""
    proxies: list[CuttingProxy] = []
    direct = connection.settings_dict["HOST"]

    def go_by(host: str) -> None:
        connection.close_pool()
        connection.settings_dict["HOST"] = host

    def cut(*, cuts: int, after_reply: bool = False) -> CuttingProxy:
        address = urlsplit(os.environ["MONGODB_URI"])
        target = (address.hostname or "", address.port or 0)
        proxies.append(CuttingProxy(target, cuts=cuts, after_reply=after_reply))
        go_by(f"mongodb://127.0.0.1:{proxies[0].port}/?directConnection=true&retryWrites=false")
        connection.ensure_connection()
        return proxies[0]

    yield cut
    go_by(direct)
    connection.ensure_connection()
    for proxy in proxies:
        proxy.close()


def move_up(platform: Platform) -> None:
    """What a rival commits, by an ordinary update."""
    row = Platform.objects.get(pk=platform.pk)
    Platform.objects.filter(pk=platform.pk).update(position=row.position + 10)


def assert_clean() -> None:
    """The connection is as before: no session, no transaction, no hook, and it writes."""
    assert connection.session is None
    assert not connection.in_atomic_block_mongo
    assert connection.run_on_commit == []
    in_transaction(lambda: Counter.objects.create(key="after", expires_at="2030-01-01T00:00Z"))
    assert Counter.objects.filter(key="after").count() == 1


def test_a_conflict_is_retried_with_what_is_true_then(platform: Platform) -> None:
    runs = []

    def work() -> None:
        row = Platform.objects.get(pk=platform.pk)
        runs.append(row.position)
        Platform.objects.filter(pk=platform.pk).update(position=row.position + 1)

    with rival_before("update", "platforms", lambda: move_up(platform)):
        in_transaction(work)
    platform.refresh_from_db()
    assert (runs, platform.position) == ([0, 10], 11)
    assert_clean()


def test_control_without_a_transaction_the_rival_is_overwritten(platform: Platform) -> None:
    row = Platform.objects.get(pk=platform.pk)
    with rival_before("update", "platforms", lambda: move_up(platform)):
        Platform.objects.filter(pk=platform.pk).update(position=row.position + 1)
    platform.refresh_from_db()
    assert platform.position == 1


def test_a_conflict_at_every_try_ends_after_the_last(platform: Platform) -> None:
    runs = []

    def work() -> None:
        runs.append(1)
        row = Platform.objects.get(pk=platform.pk)
        Counter.objects.create(key=f"try {len(runs)}", expires_at="2030-01-01T00:00Z")
        Platform.objects.filter(pk=platform.pk).update(position=row.position + 1)

    with rival_before("update", "platforms", lambda: move_up(platform), always=True) as rival:
        with pytest.raises(DatabaseError) as refused:
            in_transaction(work, attempts=3)
    assert refused.value.__cause__.has_error_label("TransientTransactionError")
    assert (len(runs), len(rival.results)) == (3, 3)
    platform.refresh_from_db()
    assert (platform.position, Counter.objects.count()) == (30, 0)
    assert_clean()


def test_pauses_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    longest: list[float] = []
    monkeypatch.setattr(mongo.random, "uniform", lambda low, high: longest.append(high) or 0.0)
    for attempt in range(1, 20):
        mongo._pause(attempt)
    assert longest == sorted(longest)
    assert (longest[0], longest[-1]) == (0.01, mongo.LONGEST_PAUSE_SECONDS)


def test_a_lost_answer_to_a_commit_repeats_the_commit_and_not_the_work(
    platform: Platform, cut_commits: Callable[..., CuttingProxy]
) -> None:
    proxy = cut_commits(cuts=2, after_reply=True)
    runs = []

    def work() -> None:
        runs.append(1)
        Counter.objects.create(key="once", expires_at="2030-01-01T00:00Z")

    in_transaction(work)
    assert (len(runs), Counter.objects.filter(key="once").count()) == (1, 1)
    assert proxy.commits == 3
    assert_clean()


def test_a_commit_that_never_gets_through_poisons_nothing(
    platform: Platform, cut_commits: Callable[..., CuttingProxy]
) -> None:
    # The driver repeats each of our three tries once.
    proxy = cut_commits(cuts=6)
    runs = []
    hooks = []

    def work() -> None:
        runs.append(1)
        connection.on_commit(lambda: hooks.append("fired"))
        Counter.objects.create(key="never", expires_at="2030-01-01T00:00Z")

    with pytest.raises(PyMongoError) as lost:
        in_transaction(work)
    assert lost.value.has_error_label("UnknownTransactionCommitResult")
    assert (len(runs), proxy.commits) == (1, 6)
    assert_clean()
    assert (hooks, Counter.objects.filter(key="never").count()) == ([], 0)


def test_control_the_backends_own_block_is_poisoned_by_such_a_commit(
    platform: Platform, cut_commits: Callable[..., CuttingProxy]
) -> None:
    cut_commits(cuts=2)
    with pytest.raises(AutoReconnect):
        with backend_transaction.atomic():
            Counter.objects.create(key="never", expires_at="2030-01-01T00:00Z")
    assert connection.session is not None
    connection.session.end_session()
    connection.session = None


def test_hooks_run_after_a_commit_and_not_after_an_error(platform: Platform) -> None:
    hooks = []

    def work(*, fails: bool) -> None:
        connection.on_commit(lambda: hooks.append(fails))
        Platform.objects.filter(pk=platform.pk).update(position=7)
        if fails:
            raise KeyError("no")

    with pytest.raises(KeyError):
        in_transaction(lambda: work(fails=True))
    platform.refresh_from_db()
    assert (hooks, platform.position) == ([], 0)
    in_transaction(lambda: work(fails=False))
    platform.refresh_from_db()
    assert (hooks, platform.position) == ([False], 7)


def test_a_process_that_is_told_to_stop_leaves_no_open_transaction(platform: Platform) -> None:
    def work() -> None:
        Platform.objects.filter(pk=platform.pk).update(position=7)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_transaction(work)
    platform.refresh_from_db()
    assert platform.position == 0
    assert_clean()


def test_a_nested_call_joins_the_outer_one(platform: Platform, commands: list[str]) -> None:
    def inner() -> None:
        in_transaction(lambda: Platform.objects.filter(pk=platform.pk).update(position=7))

    def outer(*, fails: bool) -> None:
        inner()
        if fails:
            raise KeyError("no")

    with pytest.raises(KeyError):
        in_transaction(lambda: outer(fails=True))
    platform.refresh_from_db()
    assert platform.position == 0
    commands.clear()
    in_transaction(lambda: outer(fails=False))
    assert [command.split()[0] for command in commands] == ["update", "commitTransaction"]


def test_a_conflict_in_a_nested_call_retries_the_whole(platform: Platform) -> None:
    runs = []

    def outer() -> None:
        runs.append(Platform.objects.get(pk=platform.pk).position)
        in_transaction(lambda: Platform.objects.filter(pk=platform.pk).update(position=1))

    with rival_before("update", "platforms", lambda: move_up(platform)):
        in_transaction(outer)
    assert runs == [0, 10]


def test_a_duplicate_key_takes_back_the_rest_and_is_not_retried(platform: Platform) -> None:
    runs = []

    def work() -> None:
        runs.append(1)
        Platform.objects.filter(pk=platform.pk).update(position=7)
        Platform.objects.create(name="Again", slug=platform.slug)

    with pytest.raises(IntegrityError):
        in_transaction(work)
    platform.refresh_from_db()
    assert (len(runs), platform.position, Platform.objects.count()) == (1, 0, 1)
    assert_clean()


def test_caught_inside_a_duplicate_key_loses_the_whole(platform: Platform) -> None:
    def work() -> None:
        Platform.objects.filter(pk=platform.pk).update(position=7)
        try:
            Platform.objects.create(name="Again", slug=platform.slug)
        except IntegrityError:
            return

    # Why it is caught outside: the server has aborted by then, and there is nothing to commit.
    with pytest.raises((DatabaseError, PyMongoError)):
        in_transaction(work, attempts=1)
    platform.refresh_from_db()
    assert platform.position == 0
    assert_clean()
