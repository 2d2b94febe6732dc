"""Processes of their own that post one request, or run one job; killed by tests.

Django takes a second to start, so it starts once here; each request then runs in a fork, which
opens its own connection to the database. A line of JSON on stdin forks one; it says its process id
and waits for a line of its own before it posts.
"""

import json
import os
import sys
from typing import Any

import django


def main() -> None:
    """Fork a victim for each line on stdin, one at a time."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ottsonly.settings"
    django.setup()
    from django.urls import resolve

    # Imported before the fork, so that no victim has to.
    resolve("/")
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            wanted = json.loads(line)
            _run(**wanted) if "job" in wanted else _post(**wanted)
            os._exit(0)
        os.waitpid(child, 0)
        _say("ended")


def _post(
    address: str, user: str, session: dict[str, str], data: Any, headers: dict[str, str]
) -> None:
    from django.test import Client

    from accounts.models import User

    client = Client(SERVER_NAME="127.0.0.1")
    if user:
        client.force_login(User.objects.get(pk=user))
        if session:
            store = client.session
            store.update(session)
            store.save()
    _say(str(os.getpid()))
    os.read(0, 64)
    more = {"content_type": "application/json"} if isinstance(data, str) else {}
    _say(str(client.post(address, data, headers=headers, **more).status_code))


def _run(job: str) -> None:
    from django.utils.module_loading import import_string

    function = import_string(job)
    _say(str(os.getpid()))
    os.read(0, 64)
    function()
    _say("done")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
