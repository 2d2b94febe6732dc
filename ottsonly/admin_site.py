"""The console: Django Admin behind the second factor, dressed by django-unfold."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

# Unfold's menus are Alpine.js, which makes functions of the text in its attributes (unsafe-eval),
# and its colours are a <style> and style attributes in the page (unsafe-inline, for styles only).
# Scripts in the page stay forbidden, and nothing may come from another host. Only pages of the
# console get this: they show what customers typed, but escaped, and only to staff.
CONSOLE_POLICY = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}

# There are no passwords, the pages of customers are not for staff to open as theirs, and our own
# search box (console.find) takes the place of Unfold's.
LEFT_OUT = {"password_change", "password_change_done", "view_on_site", "search"}


class ConsoleSite(UnfoldAdminSite):
    """Opens to active staff whose session has passed the second factor, and to nobody else."""

    site_header = _("OTTSONLY console")
    site_title = _("OTTSONLY console")
    index_title = _("Today")
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.is_staff and user.is_verified())

    def admin_view(
        self, view: Callable[..., HttpResponse], cacheable: bool = False
    ) -> Callable[..., HttpResponse]:
        """Let the console's pages, and no others, run what Unfold needs."""
        return csp_update(CONSOLE_POLICY)(super().admin_view(view, cacheable))

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the step that is missing; a customer is refused, so there is never a loop."""
        user: Any = request.user
        target = request.GET.get("next") or reverse("admin:index", current_app=self.name)
        if not user.is_authenticated:
            return redirect_to_login(target)
        if not user.is_staff:
            raise PermissionDenied
        if not user.is_verified():
            query = urlencode({"next": target})
            return redirect(f"{reverse('accounts:second_factor')}?{query}")
        return redirect("admin:index")

    def get_urls(self) -> list[Any]:
        return [url for url in super().get_urls() if getattr(url, "name", None) not in LEFT_OUT]
