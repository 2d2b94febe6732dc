"""A process of its own that posts one purchase form and says how it ended; killed by the tests."""

import os
import sys

import django


def main() -> None:
    """Post the confirm form: argv is user id, address of the page, quote."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ottsonly.settings"
    django.setup()
    from django.test import Client

    from accounts.models import User

    user_id, address, quote = sys.argv[1:]
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(pk=user_id))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    answer = client.post(address, {"quote": quote})
    sys.stdout.write(f"{answer.status_code}\n")


if __name__ == "__main__":
    main()
