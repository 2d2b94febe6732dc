"""Notices to many in the console: a draft, a preview with a count, sending, stopping."""

import pytest
from django.urls import reverse

from notifications.broadcasts import send_broadcasts, start_broadcast
from notifications.errors import BroadcastRefused
from notifications.models import Broadcast, Notification
from ottsonly.models import AuditEvent
from tests.factories import CustomerFactory, PlatformFactory

pytestmark = pytest.mark.django_db
ADD = reverse("admin:notifications_broadcast_add")
FIELDS = {"title": "Diwali", "body": "Ten days more", "link": "/plans/", "audience": "all"}


def address(broadcast, command="change"):
    return reverse(f"admin:notifications_broadcast_{command}", args=[broadcast.pk])


def test_a_draft_is_previewed_sent_and_watched(console, command, admin_user, client_for):
    people = [CustomerFactory() for _unused in range(3)]
    answer = console.post(ADD, FIELDS)
    broadcast = Broadcast.objects.get()
    assert answer.headers["Location"] == address(broadcast)
    assert (broadcast.state, broadcast.actor_id) == ("draft", admin_user.pk)
    console.post(address(broadcast), {**FIELDS, "title": "Diwali!"})
    preview = console.get(address(broadcast, "send"))
    assert ("Customers who get it", "3") in [(str(a), b) for a, b in preview.context["facts"]]
    assert "Diwali!" in preview.content.decode()
    assert Notification.objects.count() == 0
    assert command(console, address(broadcast, "send")).status_code == 302
    page = console.get(address(broadcast))
    assert page.headers["Refresh"] == "3"
    send_broadcasts()
    client_for(people[0]).post("/notifications/read/")
    page = console.get(address(broadcast))
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sent_count, broadcast.expected_count) == ("sent", 3, 3)
    assert page.context["read"] == "1"
    assert "Refresh" not in page.headers
    events = AuditEvent.objects.filter(object_id=str(broadcast.pk)).order_by("pk")
    assert [event.action for event in events] == [
        "broadcast.create",
        "broadcast.edit",
        "broadcast.send",
    ]
    assert (events[1].before["title"], events[1].after["title"]) == ("Diwali", "Diwali!")


def test_what_is_sent_is_not_changed_any_more(console, command):
    console.post(ADD, FIELDS)
    broadcast = Broadcast.objects.get()
    command(console, address(broadcast, "send"))
    assert console.post(address(broadcast), {**FIELDS, "title": "Other"}).status_code == 403
    assert command(console, address(broadcast, "stop")).status_code == 302
    broadcast.refresh_from_db()
    assert (broadcast.title, broadcast.state) == ("Diwali", "stopped")
    assert command(console, address(broadcast, "send")).status_code == 409
    send_broadcasts()
    assert Notification.objects.count() == 0


def test_only_what_was_looked_at_is_sent(console, admin_user):
    console.post(ADD, FIELDS)
    broadcast = Broadcast.objects.get()
    key = console.get(address(broadcast, "send")).context["key"]
    # Meanwhile somebody else rewrites the draft.
    console.post(address(broadcast), {**FIELDS, "title": "Not what I saw"})
    answer = console.post(address(broadcast, "send"), {"command_key": key})
    assert (answer.status_code, "Not what I saw" in answer.content.decode()) == (400, True)
    # At the very moment of the start, too.
    stale = Broadcast.objects.get()
    console.post(address(broadcast), FIELDS)
    with pytest.raises(BroadcastRefused):
        start_broadcast(broadcast=stale, actor=admin_user, expected_count=None)
    assert Broadcast.objects.get().state == "draft"
    assert not AuditEvent.objects.filter(action="broadcast.send").exists()
    key = console.get(address(broadcast, "send")).context["key"]
    for _unused in range(2):
        assert console.post(address(broadcast, "send"), {"command_key": key}).status_code == 302
    assert AuditEvent.objects.filter(action="broadcast.send").count() == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"link": "https://evil.example/"}, "link"),
        ({"link": "//evil.example/"}, "link"),
        ({"link": "/\\evil.example/"}, "link"),
        ({"link": "/no-such-page/"}, "link"),
        ({"link": "/admin/"}, "link"),
        ({"link": "javascript:alert(1)"}, "link"),
        ({"title": ""}, "title"),
        ({"audience": "one"}, "who"),
        ({"audience": "one", "who": "+91 98765 99999"}, "who"),
        ({"audience": "platform"}, "platform"),
        ({"audience": "expired"}, "days"),
        ({"audience": "expired", "days": "366"}, "days"),
        ({"audience": "nobody"}, "audience"),
    ],
)
def test_what_cannot_be_sent_is_said_at_its_field(console, fields, wrong):
    answer = console.post(ADD, {**FIELDS, **fields})
    assert list(answer.context["adminform"].form.errors) == [wrong]
    assert Broadcast.objects.count() == 0


def test_one_customer_is_found_by_phone_and_staff_is_none(console, admin_user):
    person = CustomerFactory(phone="+919876543210")
    console.post(ADD, {**FIELDS, "audience": "one", "who": "98765 43210"})
    assert Broadcast.objects.get().customer_id == person.pk
    answer = console.post(ADD, {**FIELDS, "audience": "one", "who": admin_user.phone})
    assert list(answer.context["adminform"].form.errors) == ["who"]


def test_support_reads_drafts_and_sends_none(support, console):
    console.post(ADD, {**FIELDS, "audience": "platform", "platform": str(PlatformFactory().pk)})
    broadcast = Broadcast.objects.get()
    assert support.get(address(broadcast)).status_code == 200
    assert support.get(ADD).status_code == 403
    assert support.post(address(broadcast), {**FIELDS, "title": "x"}).status_code == 403
    assert support.get(address(broadcast, "send")).status_code == 403
    broadcast.refresh_from_db()
    assert (broadcast.title, broadcast.state) == ("Diwali", "draft")
