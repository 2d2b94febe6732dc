"""Log-in and roles with the rival at the critical point; the races with threads are beside them.

Each control does what the service must not do, and the same rival makes it go wrong.
"""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import F

from accounts import services
from accounts.errors import CodeExpired, CodeLocked, LastAdmin
from accounts.models import OneTimeCode, User
from accounts.privacy import delete_account
from ottsonly.mongo import in_transaction
from tests.accounts.conftest import PHONE, other_than
from tests.factories import AdminFactory, CustomerFactory
from tests.rival import rival_before

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def code(sent: list[tuple[str, str]]) -> str:
    services.send_code(phone=PHONE, ip="10.0.0.1")
    return sent[-1][1]


def use(code: str) -> User:
    return services.verify_code(phone=PHONE, code=code, ip="10.0.0.2")


def test_a_code_opens_to_the_quicker_one_only(code: str) -> None:
    # The first update spends the try, the second takes the code.
    with rival_before("update", "one_time_codes", lambda: use(code), nth=2) as rival:
        with pytest.raises(CodeExpired):
            use(code)
    assert [user.phone for user in rival.results] == [PHONE]
    assert User.objects.count() == 1


def test_control_a_code_taken_because_it_was_seen_opens_to_both(code: str) -> None:
    seen = OneTimeCode.objects.get()
    assert seen.code_hash
    with rival_before("update", "one_time_codes", lambda: use(code)) as rival:
        assert OneTimeCode.objects.filter(pk=seen.pk).update(code_hash="") == 1
    assert [type(result) for result in rival.results] == [User]


def test_the_fifth_guess_is_the_last_though_two_make_it(code: str) -> None:
    OneTimeCode.objects.update(attempts=4)
    wrong = other_than(code)
    with rival_before("update", "one_time_codes", lambda: use(wrong)) as rival:
        with pytest.raises(CodeLocked):
            use(code)
    assert [type(result) for result in rival.results] == [CodeLocked]
    assert (OneTimeCode.objects.get().attempts, User.objects.count()) == (5, 0)


def test_control_guesses_counted_because_they_were_seen_are_more_than_five(code: str) -> None:
    OneTimeCode.objects.update(attempts=4)
    assert OneTimeCode.objects.get().attempts < 5
    with rival_before("update", "one_time_codes", lambda: use(other_than(code))):
        OneTimeCode.objects.update(attempts=F("attempts") + 1)
    assert OneTimeCode.objects.get().attempts == 6


def demote(user: User, actor: User | None = None) -> None:
    services.change_role(user=user, role="user", actor=actor)


def admins() -> int:
    return User.objects.filter(role="admin", is_active=True).count()


def test_of_two_admins_who_demote_each_other_one_stays() -> None:
    first, second = AdminFactory(), AdminFactory()
    with rival_before("update", "role_guard", lambda: demote(first, actor=second)) as rival:
        with pytest.raises(PermissionDenied):
            demote(second, actor=first)
    assert (rival.results, admins()) == ([None], 1)


def test_the_last_admin_stays_though_both_were_counted() -> None:
    first, second = AdminFactory(), AdminFactory()
    # Here our transaction has counted: only the guard's document keeps the rival off.
    with rival_before("update", "users", lambda: demote(first)) as rival:
        demote(second)
    assert [type(result) for result in rival.results] == [DatabaseError]
    assert admins() == 1
    with pytest.raises(LastAdmin):
        demote(first)


def test_control_admins_that_are_only_counted_are_both_gone() -> None:
    first, second = AdminFactory(), AdminFactory()

    def demote_by_counting(user: User) -> None:
        def work() -> None:
            if User.objects.filter(role="admin").exclude(pk=user.pk).exists():
                User.objects.filter(pk=user.pk).update(role="user")

        in_transaction(work)

    with rival_before("update", "users", lambda: demote_by_counting(first)) as rival:
        demote_by_counting(second)
    assert (rival.results, admins()) == ([None], 0)


def test_a_profile_saved_while_the_account_is_deleted_brings_no_name_back(client_for: Any) -> None:
    person = CustomerFactory()
    browser = client_for(person)
    asked = {"name": "Asha Verma", "email": "asha@example.com"}
    with rival_before("update", "users", lambda: delete_account(user=person)) as rival:
        answer = browser.post("/profile/", asked, follow=True)
    assert rival.results == [None]
    assert "This account is disabled." in answer.content.decode()
    gone = User.objects.get()
    assert (gone.is_deleted, gone.name, gone.email) == (True, "", "")


def test_control_a_profile_saved_by_its_key_alone_brings_the_name_back() -> None:
    person = CustomerFactory()
    with rival_before("update", "users", lambda: delete_account(user=person)):
        User.objects.filter(pk=person.pk).update(name="Asha Verma")
    assert (User.objects.get().is_deleted, User.objects.get().name) == (True, "Asha Verma")
