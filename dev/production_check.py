"""`python -m dev.production_check COMMAND ...`: manage.py with settings as in production.

The secrets are made for this one run, the database is a throw-away one. Nothing of the caller's
own configuration is passed on, so that a check cannot pass because of a developer's .env.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.keys import development_secrets
from dev.processes import PROJECT_ROOT
from embedded_mongodb.process import EmbeddedServer

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


def production_environment(uri: str, folder: Path) -> dict[str, str]:
    """Return variables that a production install would have, with worthless secrets."""
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **development_secrets(folder / "secrets.env"),
        "DEBUG": "false",
        "ALLOWED_HOSTS": "shop.example",
        "SITE_URL": "https://shop.example",
        "MONGODB_URI": uri,
        "SMS_BACKEND": "accounts.sms.Msg91Sms",
        "MSG91_AUTH_KEY": "not-a-key",
        "MSG91_TEMPLATE_ID": "not-a-template",
        "MSG91_SENDER": "OTTSON",
        "MSG91_DLT_TEMPLATE_ID": "not-a-template",
        "DEMO_LOGIN_CODE": "",
        "TELEGRAM_BOT_TOKEN": "0:not-a-token",
        "TELEGRAM_CHAT_ID": "1",
        "SUPPORT_EMAIL": "support@shop.example",
    }


def main(arguments: list[str]) -> int:
    """Run one management command; return its exit code."""
    with EmbeddedServer() as server, tempfile.TemporaryDirectory() as folder:
        environment = production_environment(server.uri, Path(folder))
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=PROJECT_ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
