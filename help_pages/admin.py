"""Help pages in the console: rewritten with a look at the result first."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _t

from help_pages.errors import EditedMeanwhile
from help_pages.facts import shop_facts
from help_pages.markup import render_markup
from help_pages.models import HelpPage
from help_pages.services import edit_page
from ottsonly.admin import ReadOnlyAdmin
from ottsonly.admin_commands import CommandForm


class HelpPageForm(CommandForm):
    """The words of a page."""

    title = forms.CharField(
        max_length=80, required=False, help_text="Empty: the title that the shop ships."
    )
    position = forms.IntegerField(min_value=0, max_value=1000)
    body = forms.CharField(
        label="Text",
        max_length=50_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 30}),
        help_text=(
            "## Heading, ### smaller heading, - point, **strong**, [words](/help/faq/). "
            "An empty line ends a paragraph. Empty: the text that the shop ships."
        ),
    )
    version = forms.IntegerField(widget=forms.HiddenInput)


@admin.register(HelpPage)
class HelpPageAdmin(ReadOnlyAdmin):
    """The pages; there are as many as the shop links to, so none is added or deleted."""

    list_display = ("shown_title", "slug", "position", "as_shipped", "updated_at", "updated_by")
    list_select_related = ("updated_by",)
    # The text is long: the way to change it stands above.
    fields = ("slug", "shown_title", "position", "edit_link", "text", "updated_at", "updated_by")
    readonly_fields = fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may_edit = request.user.has_perm("help_pages.change_helppage")
        return [name for name in self.fields if may_edit or name != "edit_link"]

    @admin.display(description="Title")
    def shown_title(self, page: HelpPage) -> str:
        return page.shown_title

    @admin.display(description="As shipped", boolean=True)
    def as_shipped(self, page: HelpPage) -> bool:
        return page.is_as_shipped

    @admin.display(description="Text")
    def text(self, page: HelpPage) -> str:
        text = render_markup(page.shown_body, shop_facts())
        return format_html('<div class="console-prose">{}</div>', text)

    @admin.display(description="Words")
    def edit_link(self, page: HelpPage) -> str:
        url = reverse("admin:help_pages_helppage_edit", args=[page.pk])
        return format_html('<a class="console-link" href="{}">Rewrite this page</a>', url)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.edit_view)
        route = path("<objectid:pk>/edit/", view, name="help_pages_helppage_edit")
        return [route, *super().get_urls()]

    def edit_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Look at new words, and save them through the service."""
        if not request.user.has_perm("help_pages.change_helppage"):
            raise PermissionDenied
        page = get_object_or_404(HelpPage, pk=pk)
        initial = {
            "title": page.shown_title,
            "body": page.shown_body,
            "position": page.position,
            "version": page.version,
        }
        form = HelpPageForm(request.POST or None, initial=initial)
        preview = None
        if request.method == "POST" and form.is_valid():
            words = form.cleaned_data
            # A text area sends its own line ends.
            words["body"] = words["body"].replace("\r\n", "\n").strip()
            if "save" in request.POST:
                try:
                    edit_page(page=page, actor=request.user, **words)
                except EditedMeanwhile as refusal:
                    form.add_error(None, str(refusal))
                else:
                    messages.success(request, _t("The page was saved."))
                    return redirect("admin:help_pages_helppage_change", page.pk)
            preview = render_markup(words["body"] or page.shown_body, shop_facts())
        context = {
            **self.admin_site.each_context(request),
            "title": _t("Rewrite %s") % page,
            "form": form,
            "preview": preview,
            "back_url": reverse("admin:help_pages_helppage_change", args=[page.pk]),
            "facts": [{"name": name, "value": value} for name, value in shop_facts().items()],
        }
        return render(request, "admin/help_page_form.html", context)
