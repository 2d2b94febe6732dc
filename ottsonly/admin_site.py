"""The console: Django Admin behind the second factor."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache


class ConsoleSite(AdminSite):
    """Opens to active staff whose session has passed the second factor, and to nobody else."""

    site_header = _("OTTSONLY console")
    site_title = _("OTTSONLY console")
    index_title = _("What is in the shop")
    # There is no password to change: the template's link disappears with it.
    password_change_template = None

    def has_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.is_staff and user.is_verified())

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
