"""A new key comes first, everything is brought under it, and the old one may go."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from orders.books import check_books
from ottsonly.encryption import WrongKey
from subscriptions.models import Credential
from tests.factories import PIN, CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db


def test_after_the_rotation_the_old_key_is_not_needed(settings):
    old, new = settings.CREDENTIAL_KEYS[0], Fernet.generate_key().decode()
    account = add_account(PlanFactory(), login="seat@example.com")
    settings.CREDENTIAL_KEYS = [new, old]
    call_command("rotate_credential_keys")
    settings.CREDENTIAL_KEYS = [new]
    fresh = Credential.objects.get(pk=account.pk)
    assert (fresh.login, fresh.password, fresh.pin) == ("seat@example.com", "s3cret-Pa55", PIN)


def test_a_value_that_no_key_opens_is_named_and_kept(settings, raw_client):
    account = add_account(PlanFactory())
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match=str(account.pk)):
        call_command("rotate_credential_keys")
    with pytest.raises(WrongKey):
        Credential.objects.get(pk=account.pk)


def test_selling_needs_no_key_so_one_unreadable_account_stops_no_purchase(settings):
    plan = PlanFactory()
    add_account(plan)
    user = CustomerFactory()
    give_money(user, 500_00)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    assert buy(user, plan).state == "completed"
    assert list(check_books()) == []
