"""Commands of the console: one thing done to one document, shown before it is done, done once.

GET shows how it is now and asks; POST does it. The form carries a key that the server issued and
signed for this person, this document and this command: a forged, borrowed or old one does
nothing, and the service behind the command takes it as idempotency key, so that the second click
is harmless.
"""

import secrets
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote, unquote
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold import widgets

from ottsonly.errors import ShopError
from ottsonly.models import AuditEvent
from ottsonly.related import attach_related

SALT = "console.command"
KEY_LIFETIME_SECONDS = 12 * 3600
KEY_FIELD, CONFIRMED_FIELD, BACK_FIELD = "command_key", "confirmed", "back"
TRACE_SHOWN = 10


def issue_key(*, user: Any, action: str, target: Any) -> str:
    """Return a signed key for one doing of `action` on `target` (its id) by `user`."""
    parts = [str(user.pk), action, str(target), secrets.token_urlsafe(18)]
    return signing.dumps(parts, salt=SALT)


def read_key(text: str, *, user: Any, action: str, target: Any) -> str | None:
    """Return the idempotency key (24 characters), or None if `text` was not issued for this."""
    try:
        parts = signing.loads(text, salt=SALT, max_age=KEY_LIFETIME_SECONDS)
    except signing.BadSignature:
        return None
    if not isinstance(parts, list) or parts[:-1] != [str(user.pk), action, str(target)]:
        return None
    return parts[-1]


class CommandForm(forms.Form):
    """Base of the forms of commands: fields get the console's looks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            dress(field.widget)


def dress(widget: forms.Widget) -> None:
    """Give a plain widget the classes that Unfold's own have."""
    if isinstance(widget, forms.CheckboxInput):
        classes = widgets.CHECKBOX_CLASSES
    elif isinstance(widget, forms.Textarea):
        classes = widgets.TEXTAREA_CLASSES
    elif isinstance(widget, forms.Select) and not isinstance(widget, forms.RadioSelect):
        classes = widgets.SELECT_CLASSES
    elif isinstance(widget, (forms.HiddenInput, forms.RadioSelect, forms.FileInput)):
        return
    else:
        classes = widgets.INPUT_CLASSES
    widget.attrs["class"] = f"{widget.attrs.get('class', '')} {' '.join(classes)}".strip()


@dataclass(frozen=True)
class Button:
    """A link to a command, as a page shows it."""

    text: str
    url: str
    danger: bool


@dataclass(frozen=True)
class PageLink:
    """A link to what belongs to a document, as its page shows it."""

    text: Any
    url: str


class Command:
    """One command on one document. Subclasses name it, describe it and do it.

    A command is made for one request: `self.request`, `self.document` and `self.admin` are there
    in every method.
    """

    name: ClassVar[str]  # of the address and of the key, such as "refund"
    label: ClassVar[Any]  # of the button that leads here
    permission: ClassVar[str]  # such as "orders.change_order"
    button: ClassVar[Any] = _("Do it")
    form_class: ClassVar[type[forms.Form]] = CommandForm
    # True asks once more, with `effects`, after the form was filled in: for money.
    confirms: ClassVar[bool] = False
    danger: ClassVar[bool] = False
    error_field: ClassVar[str | None] = None
    template_name: ClassVar[str] = "admin/command.html"

    def __init__(self, admin: Any, request: HttpRequest, document: models.Model) -> None:
        self.admin, self.request, self.document = admin, request, document

    @property
    def actor(self) -> Any:
        return self.request.user

    @property
    def title(self) -> str:
        return f"{self.label}: {self.document}"

    def is_offered(self) -> bool:
        """Say whether a button leads here; the service behind it decides all the same."""
        return True

    def initial(self) -> dict[str, Any]:
        return {}

    def facts(self) -> list[tuple[Any, Any]]:
        """How it is now, as pairs of words and values."""
        return []

    def effects(self, data: dict[str, Any]) -> list[str]:
        """What will happen, in sentences. `data` is empty while nothing was typed."""
        return []

    def check(self, data: dict[str, Any]) -> None:
        """Raise what `run` would, as far as it is plain now: `effects` is to promise nothing false.

        Only for the question in between: a form that comes twice has changed what is looked at.
        """

    def run(self, data: dict[str, Any], key: str) -> str | HttpResponse:
        """Do it by a service and return the sentence for the person, or a page of its own.

        Raises:
            ShopError: refused; its sentence is shown at `error_field`.
        """
        raise NotImplementedError

    def next_url(self) -> str:
        return self.admin.document_url(self.document)

    def page(self, template: str, context: dict[str, Any]) -> HttpResponse:
        """Return a page that is shown once and kept nowhere: for links and secrets."""
        full = {**self.admin.admin_site.each_context(self.request), "command": self, **context}
        full.setdefault("title", self.title)
        response = TemplateResponse(self.request, template, full)
        response["Cache-Control"] = "no-store, private"
        return response

    # What follows is the same for every command.

    def respond(self) -> HttpResponse:
        if self.request.method != "POST":
            return self._ask(self.form_class(initial=self.initial()), self._new_key())
        given = self.request.POST.get(KEY_FIELD, "")
        key = read_key(given, user=self.actor, action=self._action, target=self.document.pk)
        form = self.form_class(self.request.POST, self.request.FILES, initial=self.initial())
        if key is None:
            form.is_valid()
            form.add_error(
                None,
                _t(
                    "This page was open too long, or was changed by somebody else. Please look at "
                    "it again."
                ),
            )
            return self._ask(form, self._new_key(), status=400)
        if not form.is_valid():
            return self._ask(form, given, status=400)
        if BACK_FIELD in self.request.POST:
            return self._ask(form, given)
        try:
            if self.confirms and CONFIRMED_FIELD not in self.request.POST:
                self.check(form.cleaned_data)
                return self._ask(form, given, confirming=True)
            done = self.run(form.cleaned_data, key)
        except ShopError as refusal:
            form.add_error(self.error_field, str(refusal))
            return self._ask(form, given, status=409)
        if isinstance(done, HttpResponse):
            return done
        messages.success(self.request, done)
        return redirect(self.next_url())

    @property
    def _action(self) -> str:
        return f"{self.document._meta.label_lower}.{self.name}"

    def _new_key(self) -> str:
        return issue_key(user=self.actor, action=self._action, target=self.document.pk)

    def _ask(
        self, form: forms.Form, key: str, *, confirming: bool = False, status: int = 200
    ) -> HttpResponse:
        typed = form.cleaned_data if confirming else {}
        response = self.page(
            self.template_name,
            {
                "form": form,
                "key": key,
                "confirming": confirming,
                "facts": self.facts(),
                "effects": self.effects(typed) if confirming or not form.fields else [],
                "button": self.button if not self.confirms or confirming else _t("Go on"),
                "back_url": self.next_url(),
            },
        )
        response.status_code = status
        return response


class CommandsMixin:
    """Gives a model admin its commands, their addresses, buttons and the document's trace."""

    commands: ClassVar[list[type[Command]]] = []
    change_form_outer_before_template = "admin/_document_head.html"
    change_form_outer_after_template = "admin/_document_trace.html"
    # Unfold's own warning would speak of forms that nobody filled in.
    admin_site: Any
    model: type[models.Model]

    def document_url(self, document: models.Model) -> str:
        """Return the page of a document in the console."""
        return reverse(f"admin:{self._route}_change", args=[quote(document.pk)])

    @property
    def _route(self) -> str:
        return f"{self.model._meta.app_label}_{self.model._meta.model_name}"

    def command_url(self, command: type[Command], document: models.Model) -> str:
        return reverse(f"admin:{self._route}_{command.name}", args=[quote(document.pk)])

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{command.name.replace('_', '-')}/",
                self.admin_site.admin_view(self._view(command)),
                name=f"{self._route}_{command.name}",
            )
            for command in self.commands
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def _view(self, command: type[Command]) -> Any:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if not request.user.has_perm(command.permission):  # type: ignore[union-attr]
                raise PermissionDenied
            return command(self, request, self._document_or_404(request, object_id)).respond()

        return view

    def _document_or_404(self, request: HttpRequest, object_id: str) -> models.Model:
        document = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        return document or get_object_or_404(self.model, pk=None)

    def buttons(self, request: HttpRequest, document: models.Model) -> list[Button]:
        """Return the commands that this person is offered for this document."""
        found = []
        for command_class in self.commands:
            command = command_class(self, request, document)
            if request.user.has_perm(command_class.permission) and command.is_offered():  # type: ignore[union-attr]
                url = self.command_url(command_class, document)
                found.append(Button(str(command.label), url, command.danger))
        return found

    def page_links(self, document: models.Model) -> list[PageLink]:
        """Return where the rest of what belongs to this document is."""
        return []

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = dict(extra_context or {})
        document = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if document is not None and request.method == "GET":
            context.setdefault("document_buttons", self.buttons(request, document))
            context.setdefault("document_links", self.page_links(document))
            context.setdefault("document_trace", trace_of(document))
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """The trace is the history: it also knows what the shop itself did."""
        query = urlencode({"object_id": unquote(object_id)})
        return redirect(f"{reverse('admin:ottsonly_auditevent_changelist')}?{query}")

    # Django's own log would name no values and could be written beside the trace.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry | None:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry | None:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[LogEntry]:
        return []


def trace_of(document: models.Model, *, limit: int = TRACE_SHOWN) -> list[AuditEvent]:
    """Return the latest events of one document, newest first, their actors loaded."""
    events = AuditEvent.objects.filter(
        object_type=document._meta.label_lower, object_id=str(document.pk)
    ).order_by("-created_at")[:limit]
    found = list(events)
    attach_related(found, ("actor",))
    return found
