"""Notices in the console: those that customers have, and one notice for many."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.admin import by_person
from accounts.lookup import find_users
from notifications.broadcasts import (
    count_audience,
    create_broadcast,
    edit_broadcast,
    fingerprint,
    read_count,
    start_broadcast,
    stop_broadcast,
)
from notifications.models import Broadcast, Notification
from ottsonly.admin import WindowedAdmin, chip
from ottsonly.admin_commands import Command, dress
from ottsonly.errors import ShopError

# More than this many that were read are not counted one by one.
MOST_READ = 10_000
REFRESH_SECONDS = "3"
TONES = {"draft": "warn", "sending": "warn", "sent": "good", "stopped": "bad"}


@admin.register(Notification)
class NotificationAdmin(WindowedAdmin):
    """Notices as customers see them."""

    list_display = ("created_at", "user", "kind", "title", "read_at")
    list_filter = ("kind",)
    list_prefetch = ("user",)
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    narrow_parameters = ("user__id__exact",)
    empty_text = _("No notice was written in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return by_person(text)


class BroadcastForm(forms.ModelForm):
    """What is said, and to whom."""

    who = forms.CharField(
        label=_("Customer (for one customer)"),
        required=False,
        max_length=100,
        help_text=_("Phone in any notation, or e-mail"),
    )

    class Meta:
        model = Broadcast
        fields = ("title", "body", "link", "audience", "platform", "days")
        widgets = {"body": forms.Textarea(attrs={"rows": 4})}
        help_texts = {
            "link": _("A page of the shop, such as /plans/. Empty for none."),
            "platform": _("For customers of one platform"),
            "days": _("For those whose last plan ended: within how many days (1 to 365)"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("who", "body"):
            if name in self.fields:
                dress(self.fields[name].widget)
        if self.instance.customer_id:
            self.fields["who"].initial = self.instance.customer.phone_display

    def clean_link(self) -> str:
        """Only pages of our own that customers may open."""
        link = self.cleaned_data["link"].strip()
        if not link:
            return ""
        path = link.partition("#")[0].partition("?")[0]
        try:
            ours = link.startswith("/") and not link.startswith(("//", "/\\")) and resolve(path)
        except Resolver404:
            ours = None
        if not ours or path.startswith(reverse("admin:index")):
            raise forms.ValidationError(_t("Enter a page of the shop, such as /plans/."))
        return link

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        audience = cleaned.get("audience")
        self.instance.customer = None
        if audience == Broadcast.Audience.ONE:
            found = [user for user in find_users(cleaned.get("who") or "") if user.is_customer]
            if len(found) == 1:
                self.instance.customer = found[0]
            else:
                self.add_error("who", _t("No customer, or more than one, is known by this."))
        if audience == Broadcast.Audience.PLATFORM and not cleaned.get("platform"):
            self.add_error("platform", _t("Choose the platform."))
        days = cleaned.get("days")
        if audience == Broadcast.Audience.EXPIRED and not 1 <= (days or 0) <= 365:
            self.add_error("days", _t("Enter a number of days from 1 to 365."))
        return cleaned


class SendBroadcast(Command):
    """Look at it and at how many get it, then send it."""

    name, label, button = "send", _("Preview and send"), _("Send it now")
    permission = "notifications.change_broadcast"
    document: Broadcast

    @property
    def _action(self) -> str:
        # The key fits what was looked at: a draft that somebody changed since is looked at again.
        return f"{super()._action}.{fingerprint(self.document)}"

    def is_offered(self) -> bool:
        return self.document.state == Broadcast.State.DRAFT

    def _audience_text(self, count: int, whole: bool) -> str:
        return str(count) if whole else _t("more than %d") % count

    def facts(self) -> list[tuple[Any, Any]]:
        broadcast = self.document
        count, whole = count_audience(broadcast)
        facts = [
            (_("Title"), broadcast.title),
            (_("Text"), broadcast.body or "–"),
            (_("Leads to"), broadcast.link or "–"),
            (_("Audience"), broadcast.get_audience_display()),
            (_("Customers who get it"), self._audience_text(count, whole)),
        ]
        if broadcast.audience == Broadcast.Audience.PLATFORM:
            facts.append((_("Platform"), str(broadcast.platform)))
        if broadcast.audience == Broadcast.Audience.EXPIRED:
            facts.append((_("Ended within days"), broadcast.days))
        if broadcast.customer_id:
            facts.append((_("Customer"), str(broadcast.customer)))
        return facts

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [
            _t("Each of them finds it among the notifications, once."),
            _t("It is sent in the background, and can be stopped, but not taken back."),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        count, whole = count_audience(self.document)
        start_broadcast(
            broadcast=self.document, actor=self.actor, expected_count=count if whole else None
        )
        return _t("It is being sent. You may leave this page.")


class StopBroadcast(Command):
    """Send no more of it."""

    name, label, button = "stop", _("Stop"), _("Stop sending")
    permission = "notifications.change_broadcast"
    danger = True
    document: Broadcast

    def is_offered(self) -> bool:
        return self.document.state == Broadcast.State.SENDING

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [_t("Who has it keeps it; nobody else gets it.")]

    def run(self, data: dict[str, Any], key: str) -> str:
        stop_broadcast(broadcast=self.document, actor=self.actor)
        return _t("It is stopped.")


@admin.register(Broadcast)
class BroadcastAdmin(WindowedAdmin):
    """One notice for many: written as a draft, looked at, sent, watched."""

    form = BroadcastForm
    list_display = ("created_at", "title", "audience", "state_chip", "sent_count", "actor")
    list_prefetch = ("actor",)
    window_days = 90
    commands = [SendBroadcast, StopBroadcast]
    change_form_outer_after_template = "admin/notifications/broadcast_progress.html"
    empty_text = _("No notice was sent to many in these days. Add one to begin.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("notifications.add_broadcast")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        draft = obj is None or obj.state == Broadcast.State.DRAFT
        return draft and request.user.has_perm("notifications.change_broadcast")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        said = {"fields": ("title", "body", "link")}
        editable = self.has_add_permission(request) if obj is None else False
        if editable or (obj is not None and self.has_change_permission(request, obj)):
            whom = {"fields": ("audience", "who", "platform", "days")}
        else:
            whom = {"fields": ("audience", "customer", "platform", "days", "state_chip", "actor")}
        return [(_("What is said"), said), (_("To whom"), whom)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("customer", "state_chip", "actor")

    @admin.display(description=_("State"))
    def state_chip(self, broadcast: Broadcast) -> SafeString:
        return chip(broadcast.get_state_display(), TONES[broadcast.state])

    def save_model(self, request: HttpRequest, obj: Broadcast, form: Any, change: bool) -> None:
        if not change:
            create_broadcast(broadcast=obj, actor=request.user)
            return
        try:
            edit_broadcast(broadcast=obj, actor=request.user)
        except ShopError as refusal:
            messages.error(request, str(refusal))

    def response_add(self, request: HttpRequest, obj: Broadcast, *args: Any) -> Any:
        """A draft is looked at next, on its own page."""
        request.POST = request.POST.copy()
        request.POST["_continue"] = "1"
        return super().response_add(request, obj, *args)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        broadcast = self.get_object(request, object_id)
        context = dict(extra_context or {})
        sending = broadcast is not None and broadcast.state == Broadcast.State.SENDING
        if broadcast is not None and broadcast.state != Broadcast.State.DRAFT:
            read = read_count(broadcast, MOST_READ)
            context |= {
                "broadcast": broadcast,
                "read": f"{MOST_READ}+" if read > MOST_READ else str(read),
                "sending": sending,
            }
        response = super().change_view(request, object_id, form_url, context)
        if sending and request.method == "GET":
            response["Refresh"] = REFRESH_SECONDS
        return response
