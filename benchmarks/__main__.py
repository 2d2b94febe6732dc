"""`make bench`: drive the shop as in production on the embedded MongoDB, and print a table.

Each row is one operation done by 1 or 16 clients: operations per second, median and 95th percentile
of their duration, database commands, and milliseconds of CPU that the web server and the database
spent on one. Linux only: CPU time and memory come from /proc.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.clients import Connection, Times, drive
from benchmarks.commands import count_commands
from benchmarks.meter import cpu_ms, memory_mb, with_children
from dev.keys import development_secrets
from dev.processes import PROJECT_ROOT
from dev.production_shop import ProductionShop
from embedded_mongodb.process import EmbeddedServer
from tests.sms_gateway import SmsGateway

CLIENTS = (1, 16)
WARM_UP = 20
MOST_REFUSED = 500
HEAD = ("operation", "clients", "per s", "p50 ms", "p95 ms", "commands", "app ms", "database ms")
WIDTHS = (28, 8, 8, 8, 8, 9, 8, 12)


def main() -> int:
    """Run all of it; returns 0."""
    with EmbeddedServer() as database, SmsGateway() as sms, tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            **development_secrets(Path(folder, "secrets.env")),
            **sms.environment,
            "MONGODB_URI": database.uri,
            "MONGODB_NAME": "ottsonly_bench",
            "LOG_LEVEL": "WARNING",
            "OTP_PER_IP_PER_HOUR": "100000",
            "PURCHASES_PER_HOUR": "100000",
            "DJANGO_SETTINGS_MODULE": "ottsonly.settings",
        }
        # The demo's shelf; this process itself makes the customers and their money.
        os.environ.update(environment | {"DEBUG": "true", "DEMO_LOGIN_CODE": ""})
        for command in ("migrate", "load_demo_data"):
            subprocess.run(
                [sys.executable, "manage.py", command, "--verbosity", "0"],
                cwd=PROJECT_ROOT,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        import django

        django.setup()
        with ProductionShop(environment, threads=8) as shop, _worker(environment) as worker:
            print(_row(HEAD), flush=True)
            Bench(shop, database, sms).run()
            web, jobs = with_children(shop.pid), with_children(worker.pid)
            print(
                f"\nmemory: web {memory_mb(web):.0f} MB, worker {memory_mb(jobs):.0f} MB, "
                f"database {memory_mb([database.pid]):.0f} MB"
            )
    return 0


@contextmanager
def _worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The worker, as beside a web server: it delivers and tidies while customers buy."""
    command = [sys.executable, "manage.py", "worker"]
    production = environment | {
        "DEBUG": "false",
        "ALLOWED_HOSTS": "localhost",
        "SITE_URL": "https://localhost",
        "TELEGRAM_BOT_TOKEN": "",
    }
    with subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=production,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


class Bench:
    """The operations, each on the same running server."""

    def __init__(self, shop: ProductionShop, database: EmbeddedServer, sms: SmsGateway) -> None:
        self._shop, self._database, self._sms = shop, database, sms
        # Status -> how often the shop asked to try again.
        self._refused: dict[int, int] = {}
        self._phones = (f"+9190000{number:05d}" for number in count())
        self._customers = [self._customer() for _ in range(max(CLIENTS))]

    def run(self) -> None:
        """Print one row for each operation and number of clients."""
        from catalog.models import Plan
        from tests.factories import PlanFactory, PlatformFactory, add_account

        platform = PlatformFactory(name="Bench", slug="bench", is_active=True)
        pool = PlanFactory(platform=platform, name="Pool", slug="pool", stock=20_000)
        for number in range(40):
            add_account(pool, seats=100, login=f"bench{number}@accounts.example")
        hand = Plan.objects.get(slug="reader")
        from catalog.services import restock

        restock(plan=hand, delta=20_000, note="bench", actor=None, key="bench")
        stranger = [Connection(self._shop.port) for _ in range(max(CLIENTS))]
        known = [Connection(self._shop.port, session) for _user, session in self._customers]
        for clients in CLIENTS:
            self._get("home, stranger", "/", stranger, clients)
            self._get("plans, stranger", "/plans/", stranger, clients)
            self._get("plans, logged in", "/plans/", known, clients)
            self._get("wallet", "/wallet/", known, clients)
            commands = count_commands(None, self._log_in_here)
            self._measure("log-in (3 requests)", clients, 40, lambda _n: self._log_in, commands)
            self._buy("purchase, by hand", hand, clients)
            self._buy("purchase, with seat", pool, clients)

    def _customer(self) -> tuple[Any, str]:
        from django.test import Client

        from tests.factories import CustomerFactory, give_money

        user = CustomerFactory(phone=next(self._phones))
        give_money(user, 10_000_000_00)
        client = Client()
        client.force_login(user)
        return user, client.cookies["sessionid"].value

    def _get(self, name: str, path: str, browsers: list[Connection], clients: int) -> None:
        free = list(browsers[:clients])

        def ask() -> None:
            browser = free.pop()
            status = browser.get(path)
            free.append(browser)
            assert status == 200, f"{path} answered {status}"

        user = self._customers[0][0] if browsers[0].is_known else None
        commands = count_commands(user, lambda client: client.get(path))
        self._measure(name, clients, 200, lambda _n: ask, commands)

    def _log_in(self) -> None:
        phone = next(self._phones)
        browser = Connection(self._shop.port)
        assert browser.get("/login/") == 200
        assert browser.post("/login/", phone=phone) == 302
        assert browser.post("/login/code/", code=self._sms.take_code(phone)) == 302
        browser.close()

    def _log_in_here(self, client: Any) -> None:
        phone = next(self._phones)
        client.get("/login/")
        client.post("/login/", {"phone": phone})
        client.post("/login/code/", {"code": self._sms.take_code(phone)})

    def _buy(self, name: str, plan: Any, clients: int) -> None:
        from orders.quotes import quote_for

        address = plan.buy_url

        def piece(number: int) -> Callable[[], None]:
            user, session = self._customers[number % clients]
            quote = quote_for(user=user, plan=plan, key=secrets.token_urlsafe(24))
            browser = browsers[number % clients]

            def buy() -> None:
                with browser[1]:
                    # As a customer would: the same form again, which buys once.
                    while (status := browser[0].post(address, quote=quote)) != 302:
                        self._refused[status] = self._refused.get(status, 0) + 1
                        assert sum(self._refused.values()) < MOST_REFUSED, self._refused

            return buy

        from threading import Lock

        browsers = [
            (Connection(self._shop.port, session), Lock())
            for _user, session in self._customers[:clients]
        ]
        user = self._customers[0][0]
        form = {"quote": quote_for(user=user, plan=plan)}
        commands = count_commands(user, lambda client: client.post(address, form))
        self._measure(name, clients, 120, piece, commands)

    def _measure(
        self,
        name: str,
        clients: int,
        number: int,
        piece: Callable[[int], Callable[[], None]],
        commands: int,
    ) -> None:
        work = [piece(index) for index in range(number + WARM_UP)]
        drive(work[:WARM_UP], clients)
        web = with_children(self._shop.pid)
        before = cpu_ms(web), cpu_ms([self._database.pid])
        times: Times = drive(work[WARM_UP:], clients)
        after = cpu_ms(web), cpu_ms([self._database.pid])
        app, database = ((b - a) / number for a, b in zip(before, after, strict=True))
        if self._refused:
            name = f"{name} {self._refused}"
            self._refused.clear()
        print(
            _row(
                (
                    name,
                    clients,
                    f"{number / times.all_seconds:.0f}",
                    f"{times.at(0.5):.0f}",
                    f"{times.at(0.95):.0f}",
                    commands,
                    f"{app:.1f}",
                    f"{database:.1f}",
                )
            ),
            flush=True,
        )


def _row(cells: tuple[Any, ...]) -> str:
    first, *rest = (str(cell) for cell in cells)
    return first.ljust(WIDTHS[0]) + "".join(
        cell.rjust(width) for cell, width in zip(rest, WIDTHS[1:], strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
