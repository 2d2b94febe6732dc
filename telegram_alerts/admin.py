"""The outbox in the console."""

from html import unescape
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join, strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from console.hands import Work, counted, needs_hands
from ottsonly.admin import WindowedAdmin, chip
from telegram_alerts.delivery import is_configured, resume, send_again
from telegram_alerts.models import Alert, DeliveryPause


@admin.register(Alert)
class AlertAdmin(WindowedAdmin):
    """Alerts: what waits, what failed and why."""

    list_display = (
        "created_at",
        "kind",
        "chat",
        "state_chip",
        "attempts",
        "next_attempt_at",
        "last_error",
    )
    list_filter = ("state", "kind", "chat")
    narrow_parameters = ("state__exact=failed",)
    fields = (
        ("kind", "state_chip"),
        "words",
        ("created_at", "sent_at"),
        ("chat", "attempts"),
        "last_error",
        ("next_attempt_at", "claimed_until"),
    )
    readonly_fields = ("state_chip", "words")
    empty_text = _("No alert in these days. Look further back.")
    actions = ["send_alerts_again", "resume_delivery"]

    @admin.display(description=_("Text"))
    def words(self, alert: Alert) -> SafeString:
        """The text without Telegram's markup, line by line."""
        lines = unescape(strip_tags(alert.text)).splitlines()
        return format_html_join("", "<p>{}</p>", ((line,) for line in lines))

    @admin.display(description=_("State"))
    def state_chip(self, alert: Alert) -> SafeString:
        tones = {Alert.State.SENT: "good", Alert.State.FAILED: "bad", Alert.State.PENDING: "warn"}
        return chip(alert.get_state_display(), tones.get(Alert.State(alert.state), ""))

    def has_command_permission(self, request: HttpRequest) -> bool:
        """Only those who may change alerts may run commands on them; support may not."""
        return request.user.has_perm("telegram_alerts.change_alert")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "GET":
            if not is_configured():
                messages.warning(
                    request,
                    _t(
                        "No Telegram bot is set up (TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID): alerts "
                        "wait. manage.py telegram_setup helps."
                    ),
                )
            for pause in DeliveryPause.objects.filter(until__gt=timezone.now()):
                until = timezone.localtime(pause.until)
                messages.error(
                    request,
                    _t("%(reason)s. Alerts wait until %(until)s.")
                    % {"reason": pause.reason, "until": f"{until:%H:%M:%S}"},
                )
        return super().changelist_view(request, extra_context)

    @admin.action(description="Try again at once after a pause", permissions=["command"])
    def resume_delivery(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Forget the pauses of bot and chats, whichever alerts are chosen."""
        count = resume(actor=request.user)
        messages.success(request, _t("%d pauses are over.") % count)

    @admin.action(description="Send again", permissions=["command"])
    def send_alerts_again(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Make failed and waiting alerts due now; what was sent is never sent twice from here."""
        alerts = list(queryset)
        again = sum(send_again(alert=alert, actor=request.user) for alert in alerts)
        messages.success(request, _t("%d will be sent again.") % again)
        if again < len(alerts):
            messages.warning(
                request, _t("%d were sent or are being sent already.") % (len(alerts) - again)
            )


needs_hands(
    Work(
        name="alerts.failed",
        title=_("Alerts that could not be sent"),
        model=Alert,
        stages=lambda now: counted({"state": Alert.State.FAILED.value}, age="created_at"),
        url=lambda: f"{reverse('admin:telegram_alerts_alert_changelist')}?state__exact=failed",
        permission="telegram_alerts.view_alert",
        order=80,
    )
)
