"""What is past its time goes, by index or by job, and nothing else."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import LoginSession, OneTimeCode
from ottsonly import cleanup
from ottsonly.cleanup import delete_perished
from ottsonly.models import Counter
from wallet.models import WebhookEvent

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_what_is_past_its_time_is_deleted_in_batches_and_the_rest_kept(monkeypatch):
    monkeypatch.setattr(cleanup, "BATCH", 2)
    now = timezone.now()
    for number in range(5):
        Counter.objects.create(key=f"old:{number}", expires_at=now - HOUR)
    Counter.objects.create(key="new", expires_at=now + HOUR)
    for name, at in (("old", now - HOUR), ("new", now + HOUR)):
        OneTimeCode.objects.create(key=name, phone="+919811111119", expires_at=at, sent_at=at)
        LoginSession.objects.create(session_key=name, session_data="", expire_date=at)
    ages = {"old": 181, "waiting": 400, "young": 179}
    for name, days in ages.items():
        WebhookEvent.objects.create(
            event_id=name,
            type="x",
            payload="{}",
            state="received" if name == "waiting" else "applied",
            received_at=now - timedelta(days=days),
        )
    delete_perished()
    assert list(Counter.objects.values_list("pk", flat=True)) == ["new"]
    assert list(OneTimeCode.objects.values_list("pk", flat=True)) == ["new"]
    assert list(LoginSession.objects.values_list("pk", flat=True)) == ["new"]
    # What was not applied is kept however old it is.
    assert sorted(WebhookEvent.objects.values_list("pk", flat=True)) == ["waiting", "young"]


@pytest.mark.parametrize(
    ("collection", "field"),
    [("counters", "expires_at"), ("one_time_codes", "expires_at"), ("sessions", "expire_date")],
)
def test_the_migration_told_the_database_to_delete_by_time(db, collection, field):
    connection.ensure_connection()
    found = connection.database[collection].index_information()
    (index,) = [entry for entry in found.values() if [key for key, _d in entry["key"]] == [field]]
    assert index["expireAfterSeconds"] == 0
