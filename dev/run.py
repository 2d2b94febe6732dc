"""`python -m dev.run`: the whole shop on this machine, ended by one Ctrl-C."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import environ

from dev.checks import HOST, refuse_foreign_database, refuse_old_names, refuse_taken_port
from dev.errors import CannotRun
from dev.keys import development_secrets
from dev.processes import PROJECT_ROOT, Child, Children, say
from embedded_mongodb.process import EmbeddedServer, EmbeddedServerError

DEMO_CODE = "123456"
ROLES = (
    ("customer", "+91 98765 43210", "/login/"),
    ("support", "+91 98765 43211", "/admin/"),
    ("admin", "+91 98765 43212", "/admin/"),
)
READY_SECONDS = 60.0
POLL_SECONDS = 0.1
WATCH_SECONDS = 0.3


def main(argv: list[str] | None = None) -> int:
    """Run until a signal comes (0) or something is wrong (1, with one sentence)."""
    options = _arguments(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    children = Children()
    database: EmbeddedServer | None = None
    try:
        data = options.data.resolve()
        environment = _environment(data, options.port)
        if "MONGODB_URI" not in environment:
            database = EmbeddedServer(data / "mongodb")
            say("setup", "Starting the embedded MongoDB ...")
            environment["MONGODB_URI"] = database.start().uri
        _prepare(children, environment)
        # Real keys, if there are any, stand in the environment or in .env.
        if not os.environ.get("RAZORPAY_KEY_ID"):
            environment |= _start_sandbox(children, environment, data, options.port)
        _serve(children, environment, options.port)
        print(_welcome(environment, options.port), flush=True)
        return _watch(children, database)
    except (CannotRun, EmbeddedServerError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        # A second Ctrl-C must not leave a process behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        children.stop()
        if database is not None:
            with contextlib.suppress(EmbeddedServerError):
                database.stop()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.run", description=__doc__)
    parser.add_argument("--port", type=int, default=os.environ.get("PORT") or 8000)
    parser.add_argument(
        "--data", type=Path, default=PROJECT_ROOT / ".data", help="kept between runs"
    )
    return parser.parse_args(argv)


def _environment(data: Path, port: int) -> dict[str, str]:
    """Return the environment of every process, after looking for what would stop them."""
    if (PROJECT_ROOT / ".env").is_file():
        environ.Env.read_env(PROJECT_ROOT / ".env")
    refuse_old_names(os.environ)
    refuse_taken_port(port)
    # An empty variable is one that is not set.
    given = {name: value for name, value in os.environ.items() if value}
    if "MONGODB_URI" in given:
        refuse_foreign_database(given["MONGODB_URI"], given.get("MONGODB_NAME", "ottsonly"))
    data.mkdir(parents=True, exist_ok=True)
    own = development_secrets(data / "dev.env")
    if "RAZORPAY_KEY_ID" in given:
        # Real keys: a secret of the sandbox beside them would only hide that one is missing.
        own = {name: value for name, value in own.items() if not name.startswith("RAZORPAY_")}
    defaults = {"SITE_URL": f"http://{HOST}:{port}", "DEMO_LOGIN_CODE": DEMO_CODE, **own}
    return {
        **defaults,
        **given,
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": "ottsonly.settings",
    }


def _prepare(children: Children, environment: dict[str, str]) -> None:
    """Migrate, and load the demo data once."""
    children.run("setup", [sys.executable, "-m", "dev.prepare"], environment)


def _start_sandbox(
    children: Children, environment: dict[str, str], data: Path, port: int
) -> dict[str, str]:
    """Put the sandbox in Razorpay's place; return the variables that lead the shop to it."""
    webhook_url = f"http://{HOST}:{port}/wallet/razorpay/webhook"
    ready = data / "razorpay-ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "razorpay_sandbox", "--with-parent"]
    command += ["--webhook-url", webhook_url, "--ready-file", str(ready)]
    command += ["--state-file", str(data / "razorpay.json")]
    _await(children.start("razorpay", command, environment), ready.is_file)
    base_url = json.loads(ready.read_text(encoding="utf-8"))["base_url"]
    return {
        "RAZORPAY_BASE_URL": base_url,
        "RAZORPAY_CHECKOUT_JS_URL": f"{base_url}/v1/checkout.js",
    }


def _serve(children: Children, environment: dict[str, str], port: int) -> None:
    """Start the web server and the worker, and wait for the first page."""
    command = [sys.executable, "-m", "gunicorn", "ottsonly.wsgi", "--bind", f"{HOST}:{port}"]
    command += ["--workers", "1", "--worker-class", "gthread", "--threads", "8"]
    command += ["--graceful-timeout", "3", "--no-control-socket"]
    web = children.start("web", command, environment)
    children.start("worker", [sys.executable, "manage.py", "worker"], environment)
    _await(web, lambda: _answers(port))


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=10):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        raise CannotRun(f"The home page answers with an error ({error.code}), see above.") from None
    except OSError:
        return False


def _await(child: Child, is_ready: Callable[[], bool]) -> None:
    """Wait until `is_ready`; raises CannotRun when the process ends or READY_SECONDS pass."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if child.has_ended():
            code = child.finish()
            raise CannotRun(f"The process `{child.name}` ended with code {code}, see above.")
        if time.monotonic() > deadline:
            raise CannotRun(f"The process `{child.name}` was not ready in {READY_SECONDS:g} s.")
        time.sleep(POLL_SECONDS)


def _watch(children: Children, database: EmbeddedServer | None) -> int:
    """Return 1 when a process ends that should go on; a signal ends it before."""
    while True:
        if (child := children.first_ended()) is not None:
            code = child.finish()
            print(
                f"The process `{child.name}` ended with code {code}: the others are stopped.",
                file=sys.stderr,
                flush=True,
            )
            return 1
        if database is not None and not database.is_running():
            print(
                "The embedded MongoDB ended: the others are stopped.", file=sys.stderr, flush=True
            )
            return 1
        time.sleep(WATCH_SECONDS)


def _welcome(environment: dict[str, str], port: int) -> str:
    site = f"http://{HOST}:{port}"
    lines = ["", f"OTTSONLY is open at {site}/", ""]
    lines += [f"  {role:<10}{phone}   {site}{page}" for role, phone, page in ROLES]
    lines += [
        "",
        f"Each logs in with the code {environment['DEMO_LOGIN_CODE']}. In development the console "
        "shows its second factor on the page.",
        "Ctrl-C ends everything; the data stays in the data folder for the next time.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
