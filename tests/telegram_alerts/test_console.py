"""The outbox in the console: admins send again, support looks, nobody edits."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.messages.storage.fallback import FallbackStorage
from django.test import RequestFactory
from django.utils import timezone

from ottsonly.models import AuditEvent
from telegram_alerts.delivery import claim_batch, deliver_batch, send_again
from telegram_alerts.models import Alert, DeliveryPause
from tests.factories import AdminFactory, SupportFactory
from tests.telegram_alerts.fake_bot_api import TOKEN

pytestmark = pytest.mark.django_db


def request_of(user, method: str = "get", **fields: str):
    """A request past the second factor, which has tests of its own."""
    request = getattr(RequestFactory(), method)("/admin/telegram_alerts/alert/", fields)
    user.is_verified = lambda: True
    request.user = user
    request._dont_enforce_csrf_checks = True
    request.session = {}
    request._messages = FallbackStorage(request)
    return request


def test_a_failed_alert_gets_all_its_attempts_again_and_leaves_a_trace(make_alerts):
    (alert,) = make_alerts(1)
    later = timezone.now() + timedelta(hours=1)
    Alert.objects.update(state="failed", attempts=34, next_attempt_at=later)
    alert.refresh_from_db()
    admin_user = AdminFactory()
    assert send_again(alert=alert, actor=admin_user) is True
    alert.refresh_from_db()
    assert (alert.state, alert.attempts) == ("pending", 0)
    assert alert.next_attempt_at <= timezone.now()
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_id) == ("alert.send_again", admin_user.pk)
    assert event.before == {"state": "failed", "attempts": 34}


def test_what_was_sent_or_is_being_sent_stays_as_it_is(make_alerts):
    sent, claimed = make_alerts(2)
    Alert.objects.filter(pk=sent.pk).update(state="sent")
    assert [alert.pk for alert in claim_batch()] == [claimed.pk]
    assert [send_again(alert=alert, actor=None) for alert in (sent, claimed)] == [False, False]
    assert Alert.objects.get(pk=sent.pk).state == "sent"
    assert Alert.objects.get(pk=claimed.pk).claimed_until is not None
    assert AuditEvent.objects.count() == 0


def test_the_action_is_offered_to_admins_only_and_nobody_edits(db):
    console = admin.site._registry[Alert]
    for user, actions in (
        (AdminFactory(), ["send_alerts_again", "resume_delivery"]),
        (SupportFactory(), []),
    ):
        request = request_of(user)
        assert [name for name in console.get_actions(request) if name != "export"] == actions
        assert console.has_view_permission(request) is True
        assert not console.has_add_permission(request)
        assert not console.has_change_permission(request)
        assert not console.has_delete_permission(request)


def test_the_action_says_how_many(make_alerts):
    sent, _failed = make_alerts(2)
    Alert.objects.update(state="failed")
    Alert.objects.filter(pk=sent.pk).update(state="sent")
    request = request_of(AdminFactory(), "post")
    admin.site._registry[Alert].send_alerts_again(request, Alert.objects.all())
    assert [str(message) for message in request._messages] == [
        "1 will be sent again.",
        "1 were sent or are being sent already.",
    ]


def test_the_list_says_that_no_bot_is_set_up(make_alerts, settings):
    settings.TELEGRAM_BOT_TOKEN = ""
    make_alerts(1)
    request = request_of(AdminFactory())
    page = admin.site._registry[Alert].changelist_view(request).render()
    assert page.status_code == 200
    assert b"No Telegram bot is set up" in page.content


def test_the_list_says_what_holds_the_alerts_up_and_an_admin_resumes(telegram, make_alerts):
    make_alerts(1)
    telegram.script = ["bad token"]
    deliver_batch()
    user = AdminFactory()
    request = request_of(user)
    page = admin.site._registry[Alert].changelist_view(request).render()
    assert page.content.decode().count("TELEGRAM_BOT_TOKEN is refused (InvalidToken: ") == 1
    assert TOKEN not in page.content.decode()
    post = {"action": "resume_delivery", "_selected_action": str(Alert.objects.get().pk)}
    support = request_of(SupportFactory(), "post", **post)
    admin.site._registry[Alert].changelist_view(support)
    assert DeliveryPause.objects.count() == 1
    admin.site._registry[Alert].changelist_view(request_of(user, "post", **post))
    assert DeliveryPause.objects.count() == 0
    assert AuditEvent.objects.get().action == "alerts.resume"
    assert deliver_batch().sent == 1


@pytest.mark.parametrize(
    ("factory", "state"), [(AdminFactory, "pending"), (SupportFactory, "failed")]
)
def test_the_posted_action_moves_the_alert_for_admins_only(make_alerts, factory, state):
    (alert,) = make_alerts(1)
    Alert.objects.update(state="failed")
    request = request_of(
        factory(), "post", action="send_alerts_again", _selected_action=str(alert.pk)
    )
    admin.site._registry[Alert].changelist_view(request)
    alert.refresh_from_db()
    assert alert.state == state


def test_every_state_has_a_label_and_the_text_is_shown_without_markup(make_alerts):
    console = admin.site._registry[Alert]
    for state in Alert.State:
        assert f">{state.label}</span>" in console.state_chip(Alert(state=state))
    alert = Alert(text="<b>Sold</b> to A &amp; &lt;i&gt;\nfor ₹249")
    assert console.words(alert) == "<p>Sold to A &amp; &lt;i&gt;</p><p>for ₹249</p>"
