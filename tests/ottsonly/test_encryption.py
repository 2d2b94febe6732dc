"""Stored credentials are written encrypted by every way that writes at all."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Upper

from ottsonly.encryption import WrongKey, decrypt, encrypt, keyed_hash
from subscriptions.models import Credential
from tests.factories import PlanFactory, add_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Credential:
    return add_account(PlanFactory(), login="seat@example.com")


def stored(account: Credential) -> dict[str, Any]:
    return connection.database["credentials"].find_one({"_id": account.pk})


def test_ways_around_the_field_are_refused(account: Credential) -> None:
    before = stored(account)
    account.password = "plain"
    for write in (
        lambda: Credential.objects.bulk_update([account], ["password"]),
        lambda: Credential.objects.update(password="plain"),
        lambda: Credential.objects.update(password=Value("plain")),
        lambda: Credential.objects.filter(pk=account.pk).update(login="plain"),
    ):
        with pytest.raises(FieldError):
            write()
    account.password = Upper(Value("plain"))
    with pytest.raises(FieldError):
        account.save()
    assert stored(account) == before


def test_saving_and_creating_in_bulk_encrypt(account: Credential) -> None:
    account.password = "n3w"
    account.save(update_fields=["password"])
    Credential.objects.bulk_create(
        [Credential(plan=account.plan, login="other", password="n3w", fingerprint="f")]
    )
    rows = list(connection.database["credentials"].find())
    assert len(rows) == 2
    assert "n3w" not in str(rows)
    assert {row.password for row in Credential.objects.all()} == {"n3w"}


def test_they_cannot_be_searched(account: Credential) -> None:
    for lookup in ("password", "password__contains", "login__startswith"):
        with pytest.raises(FieldError):
            Credential.objects.filter(**{lookup: "s3cret"})
    assert Credential.objects.filter(password__isnull=False).count() == 1


def test_a_wrong_key_gives_an_error_and_never_the_ciphertext(
    account: Credential, settings: Any
) -> None:
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(WrongKey):
        Credential.objects.get(pk=account.pk)


def test_a_new_key_reads_what_the_old_one_wrote(settings: Any) -> None:
    old, new = settings.CREDENTIAL_KEYS, Fernet.generate_key().decode()
    token = encrypt("s3cret")
    settings.CREDENTIAL_KEYS = [new, *old]
    assert decrypt(token) == "s3cret"
    rewritten = encrypt("s3cret")
    settings.CREDENTIAL_KEYS = [new]
    assert decrypt(rewritten) == "s3cret"
    with pytest.raises(WrongKey):
        decrypt(token)


def test_the_same_text_is_never_the_same_twice_but_its_hash_is() -> None:
    assert encrypt("a") != encrypt("a")
    assert keyed_hash("one", "a") == keyed_hash("one", "a")
    assert keyed_hash("one", "a") != keyed_hash("two", "a")


def test_what_a_hash_is_of_depends_on_the_key(settings: Any) -> None:
    before = keyed_hash("one", "a")
    settings.HASH_KEY = "another"
    assert keyed_hash("one", "a") != before
