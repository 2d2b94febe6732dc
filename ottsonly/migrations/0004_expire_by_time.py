"""MongoDB deletes by itself what nobody needs after its time."""

from django.db import migrations

from ottsonly.ttl import ExpireAfter


class Migration(migrations.Migration):
    dependencies = [
        ("ottsonly", "0003_remove_auditevent_audit_object_and_more"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        ExpireAfter("counters", "expires_at"),
        ExpireAfter("one_time_codes", "expires_at"),
        ExpireAfter("sessions", "expire_date"),
    ]
