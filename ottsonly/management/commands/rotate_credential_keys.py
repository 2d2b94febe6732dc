"""`manage.py rotate_credential_keys`: bring every stored secret under the newest key."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from ottsonly.encryption import WrongKey, encrypted_fields, reencrypt


class Command(BaseCommand):
    """Run it after a new key was put first in CREDENTIAL_KEYS; then the old one may be dropped."""

    help = "Encrypt every stored secret anew under the first key of CREDENTIAL_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        for model in apps.get_models():
            if not encrypted_fields(model):
                continue
            try:
                count = reencrypt(model)
            except WrongKey as error:
                raise CommandError(
                    f"{error} with the keys of CREDENTIAL_KEYS: put its key back and run again."
                ) from error
            self.stdout.write(f"{model._meta.verbose_name_plural}: {count} values")
