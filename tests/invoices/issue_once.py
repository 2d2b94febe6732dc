"""Processes of their own that issue what is due and say how many; killed by the tests.

As in tests.faults.post_once each run is a fork: it says its process id and waits for a line.
"""

import os
import sys

import django


def main() -> None:
    """Fork a worker for each line on stdin, one at a time."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ottsonly.settings"
    django.setup()
    from invoices.services import issue_due_documents

    while sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _say(str(os.getpid()))
            os.read(0, 64)
            _say(str(issue_due_documents()))
            os._exit(0)
        os.waitpid(child, 0)
        _say("ended")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
