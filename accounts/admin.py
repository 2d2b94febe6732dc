"""People in the console: one page with everything about a customer, and what can be done."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.lookup import find_user_ids
from accounts.models import User
from accounts.second_factor import create_enrolment_link
from console.customer import customer_context
from ottsonly.admin import WindowedAdmin, chip
from ottsonly.admin_commands import Command, CommandForm

# Permissions come from the role alone: a list of groups would be a page that does nothing.
admin.site.unregister(Group)


class UserCommand(Command):
    """Base of what is done to a person."""

    permission = "accounts.change_user"
    document: User

    def facts(self) -> list[tuple[Any, Any]]:
        user = self.document
        state = _t("active") if user.is_active else _t("disabled")
        if user.is_deleted:
            state = _t("deleted")
        return [
            (_("Name"), user.name or "–"),
            (_("Phone"), user.phone_display),
            (_("Role"), user.get_role_display()),
            (_("Account"), state),
        ]


class Disable(UserCommand):
    """Close the shop and the console to a person."""

    name, label, button, danger = "disable", _("Disable"), _("Disable this account"), True

    def is_offered(self) -> bool:
        return self.document.is_active

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [
            _t("Every session of this person ends at once."),
            _t("Nobody can log in with this phone until the account is enabled again."),
            _t("Balance, orders and subscriptions stay as they are."),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        services.set_active(user=self.document, is_active=False, actor=self.actor)
        return _t("%s is disabled.") % self.document


class Enable(UserCommand):
    """Open the shop to a disabled person again."""

    name, label, button = "enable", _("Enable"), _("Enable this account")

    def is_offered(self) -> bool:
        return not self.document.is_active and not self.document.is_deleted

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [_t("This person can log in again with a code sent to the phone.")]

    def run(self, data: dict[str, Any], key: str) -> str:
        services.set_active(user=self.document, is_active=True, actor=self.actor)
        return _t("%s is enabled.") % self.document


class LogOutEverywhere(UserCommand):
    """End every session of a person."""

    name, label = "log_out_everywhere", _("Log out everywhere")
    button = _("End every session")

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [_t("Every browser of this person is logged out at once; a new log-in works.")]

    def run(self, data: dict[str, Any], key: str) -> str:
        services.log_out_everywhere(self.document, actor=self.actor)
        return _t("%s is logged out everywhere.") % self.document


class RoleForm(CommandForm):
    """Which role a person has from now on."""

    role = forms.ChoiceField(label=_("New role"), choices=User.Role.choices)


class ChangeRole(UserCommand):
    """Give a person another role; the last admin stays one."""

    name, label, button = "change_role", _("Change role"), _("Change the role")
    form_class, confirms, error_field = RoleForm, True, "role"

    def is_offered(self) -> bool:
        return not self.document.is_deleted

    def initial(self) -> dict[str, Any]:
        return {"role": self.document.role}

    def effects(self, data: dict[str, Any]) -> list[str]:
        told = {
            User.Role.USER: _t(
                "This person becomes a customer: the console shuts, and the authenticator and "
                "backup codes are removed."
            ),
            User.Role.SUPPORT: _t(
                "This person sees the whole console and changes nothing. Make an enrolment link "
                "afterwards, so that an authenticator can be set up."
            ),
            User.Role.ADMIN: _t(
                "This person may do everything in the console: money, stock, accounts and roles."
            ),
        }
        return [told[User.Role(data["role"])]]

    def run(self, data: dict[str, Any], key: str) -> str:
        services.change_role(user=self.document, role=data["role"], actor=self.actor)
        return _t("%(who)s is %(role)s now.") % {
            "who": self.document,
            "role": self.document.get_role_display(),
        }


class EnrolmentLink(UserCommand):
    """Make a link by which a member of the staff sets up an authenticator."""

    name, label, button = "enrolment_link", _("Enrolment link"), _("Make a new link")

    def is_offered(self) -> bool:
        return self.document.is_staff

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [
            _t("A link for an authenticator is made and shown once. It works once, for 24 hours."),
            _t("Earlier links of this person stop working."),
        ]

    def run(self, data: dict[str, Any], key: str) -> HttpResponse:
        token = create_enrolment_link(self.document, actor=self.actor)
        url = f"{settings.SITE_URL}{reverse('accounts:enrol', args=[token])}"
        return self.page("admin/shown_once.html", {"shown": url, "back_url": self.next_url()})


@admin.register(User)
class UserAdmin(WindowedAdmin):
    """People: found by phone or e-mail; their page has the rest."""

    list_display = ("person", "number", "email", "role", "account", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("phone",)
    search_help_text = _("Phone in any notation, or e-mail")
    empty_text = _("Nobody registered in these days. Search by phone, or look further back.")
    narrow_parameters = ("role__exact=admin", "role__exact=support")
    fields = ("phone", "name", "email", "role", "is_active", "created_at", "last_login")
    readonly_fields = fields
    change_form_template = "admin/accounts_person.html"
    commands = [Disable, Enable, LogOutEverywhere, ChangeRole, EnrolmentLink]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the person at a glance instead of the bare document."""
        user = self.get_object(request, object_id)
        context = {**customer_context(user), **(extra_context or {})} if user else extra_context
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description=_("Name"))
    def person(self, user: User) -> str:
        return user.display_name

    @admin.display(description=_("Phone"))
    def number(self, user: User) -> str:
        return user.phone_display

    @admin.display(description=_("Account"))
    def account(self, user: User) -> SafeString:
        if user.is_deleted:
            return chip(_("deleted"))
        return chip(_("active"), "good") if user.is_active else chip(_("disabled"), "bad")

    def search(self, text: str) -> dict[str, Any] | None:
        found = find_user_ids(text)
        return {"pk__in": found} if found else None


def customer_url(user_id: Any) -> str:
    """Return the address of a person's page in the console."""
    return reverse("admin:accounts_user_change", args=[user_id])


def by_person(text: str, field: str = "user_id") -> dict[str, Any] | None:
    """Return filters for documents of the people that `text` names, or None."""
    found = find_user_ids(text)
    return {f"{field}__in": found} if found else None
