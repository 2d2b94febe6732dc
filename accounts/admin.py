"""Users in the console; every change goes by the services."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.errors import AccountError
from accounts.models import User
from accounts.second_factor import create_enrolment_link
from ottsonly.admin import ReadOnlyAdmin

# Permissions come from the role alone: a list of groups would be a page that does nothing.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People: found by phone, disabled, enabled and logged out by actions."""

    list_display = ("phone_display", "name", "role", "is_active", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("phone__exact",)
    ordering = ("-created_at",)
    fields = ("phone", "name", "email", "role", "is_active", "created_at", "last_login")
    readonly_fields = fields
    actions = (
        "disable",
        "enable",
        "log_out_everywhere",
        "new_enrolment_link",
        "make_admin",
        "make_support",
        "make_customer",
    )

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Say whether the person may act on users: support may only look."""
        return bool(request.user.has_perm("accounts.change_user"))  # type: ignore[union-attr]

    def _each(
        self, request: HttpRequest, queryset: QuerySet[User], act: Callable[[User], Any]
    ) -> None:
        done = 0
        for user in queryset:
            try:
                act(user)
                done += 1
            except AccountError as error:
                self.message_user(request, f"{user.phone_display}: {error}", messages.ERROR)
        if done:
            self.message_user(request, _("Done for %(count)s.") % {"count": done})

    @admin.action(description=_("Disable"), permissions=["manage"])
    def disable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        actor: Any = request.user
        self._each(
            request,
            queryset,
            lambda user: services.set_active(user=user, is_active=False, actor=actor),
        )

    @admin.action(description=_("Enable"), permissions=["manage"])
    def enable(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        actor: Any = request.user
        self._each(
            request,
            queryset,
            lambda user: services.set_active(user=user, is_active=True, actor=actor),
        )

    @admin.action(description=_("Log out everywhere"), permissions=["manage"])
    def log_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        actor: Any = request.user
        self._each(request, queryset, lambda user: services.log_out_everywhere(user, actor=actor))

    @admin.action(description=_("New enrolment link"), permissions=["manage"])
    def new_enrolment_link(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        actor: Any = request.user

        def act(user: User) -> None:
            token = create_enrolment_link(user, actor=actor)
            url = f"{settings.SITE_URL}{reverse('accounts:enrol', args=[token])}"
            self.message_user(request, f"{user.phone_display}: {url}", messages.WARNING)

        self._each(request, queryset, act)

    def _change_role(self, request: HttpRequest, queryset: QuerySet[User], role: str) -> None:
        actor: Any = request.user
        self._each(
            request,
            queryset,
            lambda user: services.change_role(user=user, role=role, actor=actor),
        )

    @admin.action(description=_("Make admin"), permissions=["manage"])
    def make_admin(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._change_role(request, queryset, User.Role.ADMIN)

    @admin.action(description=_("Make support agent"), permissions=["manage"])
    def make_support(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._change_role(request, queryset, User.Role.SUPPORT)

    @admin.action(description=_("Make customer"), permissions=["manage"])
    def make_customer(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._change_role(request, queryset, User.Role.USER)
