"""The pool: new passwords told once, looks recorded, broken accounts and their holders."""

import threading

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from notifications.models import Notification
from orders import services
from orders.books import check_books
from orders.services import deliver, deliver_waiting_orders, deliver_with_new
from ottsonly import clock
from ottsonly.models import AuditEvent
from subscriptions import pool
from subscriptions.errors import NoSeat, PasswordRefused, ReplacementRefused, RetirementRefused
from subscriptions.models import BEGINNING, Credential, ProblemReport, Reveal, Subscription
from subscriptions.pool import (
    change_password,
    finish_retirements,
    reopen_account,
    replace_with_new,
    retire_account,
    reveal_account,
    seat_those_without,
    seats_by_plan,
)
from subscriptions.services import (
    cancel_subscription,
    replace_credentials,
    reveal_credentials,
)
from tests.factories import (
    PIN,
    AdminFactory,
    CustomerFactory,
    PlanFactory,
    add_account,
    buy,
    give_money,
)
from tests.rival import rival_before

pytestmark = pytest.mark.django_db


def buyers(plan, count):
    """Let `count` new customers buy; return their subscriptions, the first first."""
    bought = []
    for _unused in range(count):
        user = CustomerFactory()
        give_money(user, 500_00)
        bought.append(buy(user, plan).subscription)
    return bought


def fresh(subscription):
    return Subscription.objects.select_related("credential").get(pk=subscription.pk)


def told(subscription):
    notices = Notification.objects.filter(user_id=subscription.user_id).order_by("created_at", "pk")
    return [
        title.removeprefix(f"{subscription} ") for title in notices.values_list("title", flat=True)
    ]


def test_a_new_password_is_stored_once_and_every_holder_is_told_once(client_for):
    plan = PlanFactory()
    account = add_account(plan, seats=3)
    first, second = buyers(plan, 2)
    other = add_account(plan)
    for _unused in range(2):
        change_password(credential=account, password="new-one", pin="9", actor=AdminFactory())
    for subscription in (first, second):
        assert told(subscription) == ["is ready", "has a new password"]
        subscription = fresh(subscription)
        shown = reveal_credentials(subscription=subscription, user=subscription.user, ip="")
        assert (shown["password"], shown["pin"]) == ("new-one", "9")
    other.refresh_from_db()
    assert other.password == "s3cret-Pa55"
    assert AuditEvent.objects.filter(action="credential.change_password").count() == 1


def test_the_old_password_is_none_and_the_account_stays_closed():
    account = add_account(PlanFactory())
    Credential.objects.filter(pk=account.pk).update(rotation_due=True)
    for password in ("", "s3cret-Pa55"):
        with pytest.raises(PasswordRefused):
            change_password(credential=account, password=password, actor=None)
    account.refresh_from_db()
    assert account.rotation_due is True
    assert change_password(credential=account, password="other", actor=None) == 0
    account.refresh_from_db()
    assert (account.rotation_due, account.pin) == (False, PIN)


def test_a_look_at_an_account_is_recorded_before_it_is_shown():
    admin, account = AdminFactory(), add_account(PlanFactory(), login="see@example.com")
    shown = reveal_account(credential=account, actor=admin, ip="10.0.0.9")
    assert (shown["login"], shown["password"]) == ("see@example.com", "s3cret-Pa55")
    reveal = Reveal.objects.get()
    assert (reveal.user_id, reveal.credential_id, reveal.ip) == (admin.pk, account.pk, "10.0.0.9")
    event = AuditEvent.objects.get(action="credential.reveal")
    assert (event.object_id, event.after) == (str(account.pk), {})


def test_free_and_used_seats_are_counted_per_plan_in_one_command(commands):
    plan, empty = PlanFactory(), PlanFactory()
    add_account(plan, seats=3)
    locked = add_account(plan, seats=2)
    gone = add_account(plan, seats=5)
    buyers(plan, 2)
    Credential.objects.filter(pk=locked.pk).update(rotation_due=True)
    Credential.objects.filter(pk=gone.pk).update(state="retired")
    commands.clear()
    counted = seats_by_plan([plan, empty])
    assert commands == ["aggregate credentials"]
    assert [(row.seats, row.used, row.locked, row.free) for row in counted] == [
        (5, 2, 2, 1),
        (0, 0, 0, 0),
    ]


def test_the_holders_of_a_broken_account_move_and_who_finds_no_seat_is_first_in_line(client_for):
    plan = PlanFactory()
    broken = add_account(plan, seats=3)
    one, two, three = buyers(plan, 3)
    spare = add_account(plan, seats=1)
    before = [fresh(item).ends_at for item in (one, two, three)]
    done = retire_account(credential=broken, reason="banned", actor=AdminFactory())
    assert (done.moved, done.waiting) == (1, 2)
    broken.refresh_from_db()
    assert (broken.state, broken.seats_used, broken.moving_since) == ("retired", 0, None)
    assert fresh(one).credential_id == spare.pk
    assert told(one) == ["is ready", "has a new login"]
    for lost in (two, three):
        assert told(lost) == ["is ready", "gets a new login"]
        assert fresh(lost).awaits_new_login and not fresh(lost).can_reveal
    page = client_for(two.user).get(two.get_absolute_url())
    assert "A new one is being prepared" in page.content.decode()
    assert "Show the login" not in page.content.decode()
    assert list(check_books()) == []

    # A buyer who waits comes after those who lost their login.
    (late,) = buyers(plan, 1)
    add_account(plan, seats=2)
    assert deliver_waiting_orders() == 2
    assert [fresh(item).holds_seat for item in (two, three, late)] == [True, True, False]
    assert fresh(late).delivered_at is None
    assert told(two)[-1] == "has a new login"
    assert [fresh(item).ends_at for item in (one, two, three)] == before
    assert list(Subscription.objects.without_seat()) == []
    assert list(check_books()) == []


def test_retiring_twice_moves_once_and_says_so():
    plan = PlanFactory()
    broken = add_account(plan, seats=1)
    (holder,) = buyers(plan, 1)
    add_account(plan)
    retire_account(credential=broken, reason="x", actor=None)
    with pytest.raises(RetirementRefused):
        retire_account(credential=broken, reason="x", actor=None)
    assert told(holder) == ["is ready", "has a new login"]
    assert AuditEvent.objects.filter(action="credential.retire").count() == 1


def test_a_burned_account_can_still_be_emptied():
    plan = PlanFactory()
    burned = add_account(plan, seats=2)
    one, two = buyers(plan, 2)
    add_account(plan, seats=2)
    replace_credentials(subscription=one, reason="x", actor=None, burn=True)
    assert fresh(two).credential_id == burned.pk
    assert retire_account(credential=burned, reason="x", actor=None).moved == 1
    assert fresh(two).credential_id != burned.pk
    assert list(check_books()) == []


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_retirement_killed_between_two_holders_is_finished_by_the_worker(monkeypatch, after):
    plan = PlanFactory()
    broken = add_account(plan, seats=3)
    holders = buyers(plan, 3)
    add_account(plan, seats=2)
    real, calls = pool._move, []

    def die(*args):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(args)
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(pool, "_move", die)
        with pytest.raises(KeyboardInterrupt):
            retire_account(credential=broken, reason="x", actor=None)
    assert Subscription.objects.filter(credential=broken, holds_seat=True).count() == 3 - after
    assert list(check_books()) == []
    for _unused in range(2):
        finish_retirements()
    broken.refresh_from_db()
    assert (broken.seats_used, broken.moving_since) == (0, None)
    assert [fresh(item).holds_seat for item in holders] == [True, True, False]
    assert [told(item)[1:] for item in holders] == [
        ["has a new login"],
        ["has a new login"],
        ["gets a new login"],
    ]
    assert list(check_books()) == []


def test_what_ends_while_it_waits_for_a_seat_gets_none():
    plan = PlanFactory()
    broken = add_account(plan)
    (holder,) = buyers(plan, 1)
    retire_account(credential=broken, reason="x", actor=None)
    cancel_subscription(subscription=holder, reason="x", actor=None)
    spare = add_account(plan)
    assert seat_those_without() == 0
    spare.refresh_from_db()
    assert spare.seats_used == 0
    assert list(check_books()) == []


def test_a_holder_who_cancels_at_the_same_moment_keeps_no_seat():
    plan = PlanFactory()
    broken = add_account(plan)
    (holder,) = buyers(plan, 1)
    spare = add_account(plan)

    def cancel():
        cancel_subscription(subscription=holder, reason="x", actor=None)
        return "cancelled"

    # Inside the transaction that moves the holder, just before it writes.
    with rival_before("update", "subscriptions", cancel) as rival:
        retire_account(credential=broken, reason="x", actor=None)
    assert rival.results == ["cancelled"]
    spare.refresh_from_db()
    broken.refresh_from_db()
    assert (spare.seats_used, broken.seats_used, broken.moving_since) == (0, 0, None)
    assert list(check_books()) == []


def test_two_who_retire_and_a_worker_beside_them_move_each_holder_once(transactional_db):
    plan = PlanFactory()
    broken = add_account(plan, seats=4)
    holders = buyers(plan, 4)
    add_account(plan, seats=4)
    errors = []

    def run(work):
        try:
            work()
        except RetirementRefused:
            pass
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    def retire():
        retire_account(credential=broken, reason="x", actor=None)

    threads = [
        threading.Thread(target=run, args=(work,)) for work in (retire, retire, finish_retirements)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert [told(item) for item in holders] == [["is ready", "has a new login"]] * 4
    assert list(check_books()) == []


def test_plans_with_an_empty_pool_do_not_hide_those_behind_them():
    empty, full = PlanFactory(), PlanFactory()
    buyers(empty, 3)
    (last,) = buyers(full, 1)
    add_account(full)
    assert deliver_waiting_orders(limit=2) == 1
    assert fresh(last).holds_seat


def test_what_fails_for_ever_holds_up_nobody_who_waits_behind_it(monkeypatch):
    plan, pooled = PlanFactory(), PlanFactory()
    broken = buyers(plan, 3)
    (last,) = buyers(pooled, 1)
    add_account(pooled)
    lost = {"delivered_at": clock.now(), "seat_lost_at": clock.now()}
    Subscription.objects.filter(pk=broken[0].pk).update(**lost)
    tried = []

    def fail(*, subscription, **_more):
        tried.append(subscription.pk)
        raise RuntimeError("broken")

    def fail_or_deliver(*, order):
        return fail(subscription=order) if order.plan_id == plan.pk else deliver(order=order)

    monkeypatch.setattr(pool, "replace_credentials", fail)
    monkeypatch.setattr(services, "deliver", fail_or_deliver)
    assert deliver_waiting_orders(limit=1) == 1
    assert fresh(last).holds_seat
    assert len(tried) == len(set(tried)) == 4


def test_who_waits_for_hands_is_found_along_an_index():
    for waiting in (
        Subscription.objects.without_seat(),
        Subscription.objects.to_invite_again(),
        Credential.objects.filter(state="retired", moving_since__gt=BEGINNING),
        ProblemReport.objects.open(),
    ):
        plan = waiting.explain()
        assert '"IXSCAN"' in plan and '"COLLSCAN"' not in plan, waiting.query


def test_a_form_that_comes_twice_replaces_once():
    plan = PlanFactory()
    add_account(plan)
    (running,) = buyers(plan, 1)
    add_account(plan)
    add_account(plan)
    seen = fresh(running)
    replace_credentials(subscription=running, reason="x", actor=None, seen=seen)
    with pytest.raises(ReplacementRefused):
        replace_credentials(subscription=running, reason="x", actor=None, seen=seen)
    assert Credential.objects.filter(seats_used=1).count() == 1
    assert told(running) == ["is ready", "has a new login"]


def test_a_typed_account_replaces_or_nothing_is_stored():
    plan = PlanFactory()
    old = add_account(plan, login="old@example.com")
    (running,) = buyers(plan, 1)
    typed = {"login": "typed@example.com", "password": "p", "reason": "x", "actor": None}
    with pytest.raises(NoSeat):
        replace_with_new(subscription=running, **{**typed, "login": "OLD@example.com"})
    assert Credential.objects.count() == 1
    replace_with_new(subscription=running, burn=True, **typed)
    moved = fresh(running)
    assert (moved.credential.login, moved.credential.seats, moved.credential.state) == (
        "typed@example.com",
        1,
        "full",
    )
    old.refresh_from_db()
    assert old.state == "retired"
    cancel_subscription(subscription=running, reason="x", actor=None)
    with pytest.raises(ReplacementRefused):
        replace_with_new(subscription=running, **{**typed, "login": "next@example.com"})
    assert Credential.objects.count() == 2
    assert list(check_books()) == []


def test_a_waiting_order_is_delivered_with_a_typed_account():
    plan = PlanFactory(delivery="manual")
    (waiting,) = buyers(plan, 1)
    order = waiting.orders.get()
    deliver_with_new(order=order, login="m@example.com", password="p", actor=AdminFactory())
    assert (fresh(waiting).credential.login, fresh(waiting).holds_seat) == ("m@example.com", True)
    with pytest.raises(Exception, match="not waiting"):
        deliver_with_new(order=order, login="n@example.com", password="p", actor=None)
    assert Credential.objects.count() == 1
    assert list(check_books()) == []


def test_a_holder_who_cannot_be_moved_keeps_no_other_on_a_broken_account(monkeypatch):
    plan, other = PlanFactory(), PlanFactory()
    broken, next_one = add_account(plan, seats=2), add_account(other)
    stuck, mover = buyers(plan, 2)
    (behind,) = buyers(other, 1)
    real = pool._move

    def fragile(pk, *args):
        if pk == stuck.pk:
            raise LookupError("broken")
        return real(pk, *args)

    with monkeypatch.context() as patched:
        patched.setattr(pool, "_move", fragile)
        done = retire_account(credential=broken, reason="x", actor=None)
        assert (done.moved, done.waiting, done.left) == (0, 1, 1)
        # As a worker finds it that was killed at its first holder.
        Credential.objects.filter(pk=next_one.pk).update(state="retired", moving_since=clock.now())
        finish_retirements()
    assert fresh(behind).awaits_new_login and fresh(mover).awaits_new_login
    assert fresh(stuck).credential_id == broken.pk
    finish_retirements()
    assert fresh(stuck).awaits_new_login
    broken.refresh_from_db()
    assert (broken.seats_used, broken.moving_since) == (0, None)
    assert list(check_books()) == []


def test_one_who_cannot_be_seated_keeps_nobody_else_waiting(monkeypatch):
    lost, sold = PlanFactory(), PlanFactory()
    broken = add_account(lost, seats=2)
    stuck, second = buyers(lost, 2)
    retire_account(credential=broken, reason="x", actor=None)
    (buyer,) = buyers(sold, 1)
    add_account(lost, seats=2)
    add_account(sold)
    real = pool.replace_credentials

    def fragile(*, subscription, **kwargs):
        if subscription.pk == stuck.pk:
            raise LookupError("broken")
        return real(subscription=subscription, **kwargs)

    monkeypatch.setattr(pool, "replace_credentials", fragile)
    assert deliver_waiting_orders() == 2
    assert [fresh(item).holds_seat for item in (stuck, second, buyer)] == [False, True, True]


def test_an_account_that_no_key_opens_is_replaced_and_retired(settings):
    plan = PlanFactory()
    account = add_account(plan, seats=2)
    first, second = buyers(plan, 2)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    add_account(plan)
    assert replace_credentials(subscription=first, reason="x", actor=None).holds_seat
    assert retire_account(credential=account, reason="x", actor=None).waiting == 1
    assert Subscription.objects.get(pk=second.pk).awaits_new_login
    assert list(check_books()) == []


def test_a_wrongly_retired_account_comes_back_and_who_lost_it_gets_it_again():
    plan = PlanFactory(rotate_after_seat=False)
    account = add_account(plan, seats=2)
    holders = buyers(plan, 2)
    admin = AdminFactory()
    retire_account(credential=account, reason="banned", actor=admin)
    assert [fresh(item).awaits_new_login for item in holders] == [True, True]
    reopen_account(credential=account, reason="wrong one", actor=admin)
    event = AuditEvent.objects.get(action="credential.reopen")
    assert (event.actor_id, event.object_id) == (admin.pk, str(account.pk))
    assert event.after == {"state": "available", "seats_used": 0, "reason": "wrong one"}
    assert deliver_waiting_orders() == 2
    account.refresh_from_db()
    assert (account.state, account.seats_used) == ("full", 2)
    assert [fresh(item).credential_id for item in holders] == [account.pk] * 2
    assert [told(item)[1:] for item in holders] == [["gets a new login", "has a new login"]] * 2
    with pytest.raises(RetirementRefused, match="not retired"):
        reopen_account(credential=account, reason="x", actor=admin)
    assert list(check_books()) == []


def test_what_comes_back_keeps_its_holders_and_its_password_due():
    plan = PlanFactory()
    burned = add_account(plan, seats=3)
    one, two = buyers(plan, 2)
    spare = add_account(plan)
    replace_credentials(subscription=one, reason="x", actor=None, credential=spare, burn=True)
    reopen_account(credential=burned, reason="x", actor=None)
    burned.refresh_from_db()
    assert (burned.state, burned.seats_used, burned.rotation_due) == ("available", 1, True)
    assert (fresh(one).credential_id, fresh(two).credential_id) == (spare.pk, burned.pk)
    (late,) = buyers(plan, 1)
    assert deliver_waiting_orders() == 0
    change_password(credential=burned, password="n3w", actor=None)
    assert deliver_waiting_orders() == 1
    assert fresh(late).credential_id == burned.pk
    assert list(check_books()) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"moving_since": BEGINNING}, "being moved"), ({"seats_used": 1}, "do not agree")],
)
def test_what_contradicts_itself_does_not_come_back(wrong, sentence):
    account = add_account(PlanFactory())
    Credential.objects.filter(pk=account.pk).update(state="retired", **wrong)
    with pytest.raises(RetirementRefused, match=sentence):
        reopen_account(credential=account, reason="x", actor=None)
    account.refresh_from_db()
    assert account.state == "retired"
    assert not AuditEvent.objects.filter(action="credential.reopen").exists()


def test_a_retirement_at_the_same_moment_wins_over_the_return():
    plan = PlanFactory()
    account = add_account(plan, seats=2)
    (holder,) = buyers(plan, 1)
    Credential.objects.filter(pk=account.pk).update(state="retired")

    def retire():
        return retire_account(credential=account, reason="x", actor=None).waiting

    with rival_before("update", "credentials", retire) as rival:
        reopen_account(credential=account, reason="x", actor=None)
    account.refresh_from_db()
    # The holder was moved first; what came back is an account without holders.
    assert (rival.results, account.state, account.seats_used) == ([1], "available", 0)
    assert fresh(holder).awaits_new_login
    assert list(check_books()) == []
