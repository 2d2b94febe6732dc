"""manage.py create_admin PHONE: the first admin, and any further one."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError
from django.urls import reverse

from accounts.errors import AccountError
from accounts.models import User
from accounts.phones import parse_phone
from accounts.second_factor import create_enrolment_link
from accounts.services import change_role, set_active


class Command(BaseCommand):
    help = "Makes PHONE a member of the staff and prints the one-time link to enrol."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("phone", metavar="PHONE", help="any notation; +91 is the default")
        parser.add_argument("--role", choices=["admin", "support"], default="admin")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            phone = parse_phone(options["phone"])
            try:
                user = User.objects.create(phone=phone, name=options["name"])
            except IntegrityError:
                user = User.objects.get(phone=phone)
            if options["name"]:
                User.objects.filter(pk=user.pk).update(name=options["name"])
            if not user.is_active:
                set_active(user=user, is_active=True, actor=None)
            if user.role != options["role"]:
                change_role(user=user, role=options["role"], actor=None)
            user.refresh_from_db()
            token = create_enrolment_link(user)
        except AccountError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{user.display_name} is {user.get_role_display()} now.")
        self.stdout.write("Log in with this phone and open, once and within 24 hours:")
        self.stdout.write(f"{settings.SITE_URL}{reverse('accounts:enrol', args=[token])}")
