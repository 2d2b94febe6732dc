"""The database server of a test run; a pytest plugin, because it must come before the settings.

Without MONGODB_URI a throw-away embedded server is started. It is loaded by `-p tests.database`
(see pyproject.toml), which is read before pytest-django reads the settings.
"""

import atexit
import os
from collections.abc import Iterator

import pytest

from embedded_mongodb.process import EmbeddedServer

os.environ["DEBUG"] = "true"
os.environ["DEMO_LOGIN_CODE"] = ""
os.environ["SMS_BACKEND"] = "accounts.sms.ConsoleSms"
os.environ["RAZORPAY_KEY_ID"] = ""
# Tests write the staff's sessions themselves and travel in time; its own test sets the real length.
os.environ["CONSOLE_SESSION_SECONDS"] = str(10**10)
os.environ["TELEGRAM_BOT_TOKEN"] = ""
os.environ["MONGODB_NAME"] = f"ottsonly_{os.getpid()}"
# Workers of pytest-xdist read no `-p` before their settings, but they do read this.
os.environ["PYTEST_PLUGINS"] = "tests.database"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the server before pytest-django reads the settings.

    With `-n` every worker starts its own, since one Python server would be all of them's queue;
    the process that hands out the tests runs none and needs no database.
    """
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    hands_out = bool(early_config.known_args_namespace.numprocesses) and not is_worker
    if "MONGODB_URI" not in os.environ and not hands_out:
        server = EmbeddedServer().start()
        atexit.register(server.stop)
        os.environ["MONGODB_URI"] = server.uri
    return (yield)
