"""A seat is taken by what the account is now, not by what it was when it was read."""

import pytest

from subscriptions.errors import NoSeat
from subscriptions.models import Credential
from subscriptions.seats import claim_seat, claim_seat_of
from tests.factories import PlanFactory, add_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return add_account(PlanFactory(), seats=3)


def test_a_count_that_is_out_of_date_takes_no_seat(account):
    stale = Credential.objects.get(pk=account.pk)
    claim_seat_of(credential=account)
    with pytest.raises(NoSeat):
        claim_seat_of(credential=stale)
    account.refresh_from_db()
    assert account.seats_used == 1


@pytest.mark.parametrize("changed", [{"rotation_due": True}, {"state": "retired"}])
def test_an_account_that_nobody_new_may_have_is_passed_over(account, changed):
    Credential.objects.filter(pk=account.pk).update(**changed)
    assert claim_seat(plan_id=account.plan_id) is None
    with pytest.raises(NoSeat):
        claim_seat_of(credential=account)
    account.refresh_from_db()
    assert account.seats_used == 0


def test_the_last_seat_makes_the_account_full(account):
    for used in (1, 2, 3):
        assert claim_seat(plan_id=account.plan_id) == account
        account.refresh_from_db()
        assert account.seats_used == used
    assert account.state == Credential.State.FULL
    assert claim_seat(plan_id=account.plan_id) is None
