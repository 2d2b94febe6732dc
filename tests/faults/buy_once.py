"""Processes of their own that post one purchase form each and say how it ended; killed by tests.

Django takes a second to start, so it starts once here; each purchase then runs in a fork, which
opens its own connection to the database. A line on stdin, "user id, address of the page, quote",
forks one; it says its process id and waits for a line of its own before it posts.
"""

import os
import sys

import django


def main() -> None:
    """Fork a buyer for each line on stdin, one at a time."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ottsonly.settings"
    django.setup()
    from django.urls import resolve

    # Imported before the fork, so that no buyer has to.
    resolve("/")
    while line := os.read(0, 4096).decode():
        child = os.fork()
        if child == 0:
            _buy(*line.split())
            os._exit(0)
        os.waitpid(child, 0)
        _say("ended")


def _buy(user_id: str, address: str, quote: str) -> None:
    from django.test import Client

    from accounts.models import User

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(pk=user_id))
    _say(str(os.getpid()))
    os.read(0, 4096)
    _say(str(client.post(address, {"quote": quote}).status_code))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
