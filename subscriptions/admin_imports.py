"""Many accounts at once in the console: lines are looked at first, then written in parts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from catalog.admin import PlanField, full_name, plan_link
from catalog.models import Delivery, Plan
from orders.services import deliver_waiting_orders
from ottsonly.admin import WindowedAdmin, chip
from ottsonly.admin_commands import KEY_FIELD, Command, CommandForm, issue_key, read_key
from ottsonly.errors import ShopError
from subscriptions.import_lines import SEPARATORS, VERDICTS, decode
from subscriptions.imports import (
    PART_SIZE,
    check_import,
    discard_import,
    start_import,
    write_parts,
    written_by,
)
from subscriptions.models import CredentialImport, ImportPart

IMPORT_TONES = {"checked": "warn", "running": "warn", "done": "good", "discarded": "bad"}
# A form of this size still fits into memory; Django itself refuses larger ones.
MOST_BYTES = 2_500_000
# A page that waits for the worker is asked for again after so many seconds, also without scripts.
REFRESH_SECONDS = "3"


class ImportForm(CommandForm):
    """The plan, and lines that were pasted or are in a file."""

    plan = PlanField(Plan.objects.exclude(delivery=Delivery.CUSTOMER_EMAIL))
    text = forms.CharField(
        label=_("Paste the lines"),
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 10, "autocomplete": "off", "spellcheck": "false", "wrap": "off"}
        ),
        help_text=_(
            "One account a line: login, password, PIN, profile, seats, notes. All from the PIN on "
            "may be left out. A line of headings is understood."
        ),
    )
    file = forms.FileField(
        label=_("Or choose a CSV file"),
        required=False,
        help_text=_("UTF-8, at most 2.5 MB. It is read in memory and kept nowhere in clear."),
    )
    separator = forms.ChoiceField(
        label=_("Separator"),
        required=False,
        choices=[
            ("", _("Find out")),
            *zip(SEPARATORS, (_("Comma"), _("Semicolon"), _("Tab")), strict=True),
        ],
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        text, file = cleaned.get("text", ""), cleaned.get("file")
        if text.strip() and file:
            raise forms.ValidationError(_t("Paste lines or choose a file, not both."))
        if file is not None:
            try:
                cleaned["text"] = decode(file.read())
            except ShopError as refusal:
                self.add_error("file", str(refusal))
        elif not text.strip() and not self.errors:
            raise forms.ValidationError(
                _t("Paste lines, or choose a file of at most %d KB.") % (MOST_BYTES // 1000)
            )
        return cleaned


class StartImport(Command):
    """Write the good lines into the pool."""

    name, label, button = "start", _("Add these accounts"), _("Add them to the pool")
    permission = "subscriptions.add_credentialimport"
    document: CredentialImport

    def is_offered(self) -> bool:
        states = (CredentialImport.State.CHECKED, CredentialImport.State.RUNNING)
        return self.document.state in states and self.document.good > 0

    def facts(self) -> list[tuple[Any, Any]]:
        source = self.document
        return [(_("Plan"), full_name(source.plan)), (_("New accounts"), source.good)]

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [
            _t("Every good line is added, in parts of %d. What was broken off goes on.")
            % PART_SIZE,
            _t("Free seats go to those who wait, the longest first."),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        start_import(source=self.document, actor=self.actor)
        # A small import is done at once; the worker goes on with what is left of a large one.
        if self.document.good <= PART_SIZE and write_parts(source=self.document):
            deliver_waiting_orders()
            return _t("The accounts are in the pool.")
        return _t("The accounts are being added. You may leave this page.")


class DiscardImport(Command):
    """Forget the lines."""

    name, label, button = "discard", _("Discard"), _("Forget these lines")
    permission = "subscriptions.add_credentialimport"
    danger = True
    document: CredentialImport

    def is_offered(self) -> bool:
        return self.document.state == CredentialImport.State.CHECKED

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [_t("The encrypted lines are deleted. Nothing was added to the pool.")]

    def run(self, data: dict[str, Any], key: str) -> str:
        discard_import(source=self.document, actor=self.actor)
        return _t("The lines are forgotten.")


@admin.register(CredentialImport)
class CredentialImportAdmin(WindowedAdmin):
    """Many accounts at once: looked at, then written part by part."""

    list_display = ("created_at", "full_plan", "state_chip", "lines", "good", "actor")
    list_prefetch = ("plan__platform", "actor")
    commands = [StartImport, DiscardImport]
    window_days = 90
    fields = (
        ("full_plan", "state_chip"),
        ("lines", "good"),
        ("bad", "doubled_in_file", "doubled_in_pool"),
        ("actor", "created_at"),
        ("started_at", "finished_at"),
    )
    readonly_fields = ("full_plan", "state_chip")
    change_form_outer_after_template = "admin/subscriptions/import_progress.html"
    empty_text = _("Nothing was imported in these days. Paste lines or choose a file to begin.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("subscriptions.add_credentialimport")

    @admin.display(description=_("Plan"))
    def full_plan(self, source: CredentialImport) -> SafeString:
        return plan_link(source.plan)

    @admin.display(description=_("State"))
    def state_chip(self, source: CredentialImport) -> SafeString:
        return chip(source.get_state_display(), IMPORT_TONES[source.state])

    @method_decorator([sensitive_post_parameters(), sensitive_variables()])
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Take the lines, say what each is, and keep the good ones encrypted."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        about = {"user": request.user, "action": "subscriptions.import", "target": "new"}
        form, new_key = ImportForm(), issue_key(**about)
        if request.method == "POST":
            form = ImportForm(request.POST, request.FILES)
            key = read_key(request.POST.get(KEY_FIELD, ""), **about)
            if key is None:
                form.add_error(None, _t("This page was open too long. Please look at it again."))
            elif form.is_valid():
                new_key = request.POST[KEY_FIELD]
                data = form.cleaned_data
                try:
                    source = check_import(
                        plan=data["plan"],
                        text=data["text"],
                        separator=data["separator"],
                        actor=request.user,
                        key=key,
                    )
                except ShopError as refusal:
                    form.add_error(None, str(refusal))
                else:
                    messages.success(request, _t("The lines were checked. Nothing is added yet."))
                    return redirect(self.document_url(source))
        context = {
            **self.admin_site.each_context(request),
            "title": _t("Import accounts"),
            "form": form,
            "key": new_key,
            "button": _t("Check the lines"),
            "back_url": reverse("admin:subscriptions_credentialimport_changelist"),
        }
        response = TemplateResponse(request, "admin/command.html", context)
        response["Cache-Control"] = "no-store, private"
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        source = self.get_object(request, object_id)
        context = dict(extra_context or {})
        running = source is not None and source.state == CredentialImport.State.RUNNING
        if source is not None:
            context |= {
                "written": written_by(source),
                "good": source.good,
                "running": running,
                **_verdicts(source, request.GET.get("part", "")),
            }
        response = super().change_view(request, object_id, form_url, context)
        if running and request.method == "GET":
            response["Refresh"] = REFRESH_SECONDS
        return response


def _verdicts(source: CredentialImport, text: str) -> dict[str, Any]:
    """Return the lines of one part and what was found of each, without what is in them."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    part = ImportPart.objects.filter(source_id=source.pk, number=number).first()
    parts = -(-source.lines // PART_SIZE)
    rows = part.verdicts if part else []
    return {
        "verdicts": [(line, verdict, VERDICTS[verdict]) for line, verdict in rows],
        "part_links": [(n, n == number) for n in range(1, parts + 1)] if part else [],
    }
