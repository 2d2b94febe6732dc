"""Run the probes against one backend and write what was seen as JSON.

Started by compare.py with the interpreter of that backend's virtual environment; the same file
runs on Django 3.1 and 5.2. `python run_probes.py RESULT_FILE`, settings in the environment.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from importlib import import_module, metadata
from pathlib import Path

import django
import pymongo

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "probe_site.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.signals import got_request_exception  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import F, Sum  # noqa: E402
from django.test import Client  # noqa: E402
from probe_site.models import Plan  # noqa: E402

THREADS = 8
BUYERS = 80
STOCK = 50


class Rollback(Exception):
    """Raised in a transaction on purpose."""


def class_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def named(error: BaseException) -> str:
    """What was raised and by what: tells a fault of the backend from one of the server."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    name = f"`{type(error).__name__}`"
    return name if first is error else f"{name} from `{class_name(first)}`"


def plain_use() -> str:
    """The control: where this fails, the set-up is broken and no other row means anything."""
    Plan.objects.create(slug="control", price=Decimal("99.00"), stock=1)
    matched = Plan.objects.filter(slug="control", stock__gte=1).update(stock=7)
    stock = Plan.objects.get(slug="control").stock
    return f"{matched} matched, stock {stock}"


def decimal_type() -> str:
    """The Python type in which a DecimalField is read back."""
    Plan.objects.create(slug="type", price=Decimal("99.00"))
    return f"`{type(Plan.objects.get(slug='type').price).__name__}`"


def race(slug: str, take: Callable[[], bool]) -> str:
    """80 buyers on 8 threads for 50 units; `take` tells whether it got one."""
    Plan.objects.create(slug=slug, price=Decimal("199.00"), stock=STOCK)

    def buyers(count: int) -> list[str]:
        outcomes = []
        try:
            for _ in range(count):
                try:
                    outcomes.append("sold" if take() else "refused")
                except Exception as error:
                    outcomes.append(named(error))
        finally:
            connection.close()
        return outcomes

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = Counter(
            outcome for part in pool.map(buyers, [BUYERS // THREADS] * THREADS) for outcome in part
        )
    left = Plan.objects.get(slug=slug).stock
    counted = ", ".join(f"{outcomes[name]} {name}" for name in sorted(outcomes, reverse=True))
    return f"{counted}; {left} of {STOCK} left"


def conditional_update() -> str:
    """Each unit taken by one conditional update."""
    return race(
        "race-expression",
        lambda: (
            Plan.objects.filter(slug="race-expression", stock__gte=1).update(stock=F("stock") - 1)
            == 1
        ),
    )


def compare_and_set() -> str:
    """Each unit taken by reading the stock and writing a constant if it is still the same."""

    def take() -> bool:
        while seen := Plan.objects.get(slug="race-constant").stock:
            if Plan.objects.filter(slug="race-constant", stock=seen).update(stock=seen - 1):
                return True
        return False

    return race("race-constant", take)


def duplicate_key() -> str:
    """What a second document with the same unique value raises, and whether it was stored."""
    Plan.objects.create(slug="twice", price=Decimal("1.00"))
    try:
        Plan.objects.create(slug="twice", price=Decimal("2.00"))
        raised = "nothing raised"
    except Exception as error:
        raised = named(error)
    return f"{raised}; {Plan.objects.filter(slug='twice').count()} stored"


def boolean_filter() -> str:
    """How many of one active and one inactive plan the filter finds."""
    Plan.objects.create(slug="boolean-on", price=Decimal("1.00"), active=True)
    Plan.objects.create(slug="boolean-off", price=Decimal("1.00"), active=False)
    # No other condition in the query: what fails here fails for the boolean alone.
    active = {plan.slug for plan in Plan.objects.filter(active=True)}
    return f"{len(active & {'boolean-on', 'boolean-off'})} found"


def admin_status(query: str) -> Callable[[], str]:
    """The status code of the plan's list page in Django Admin."""

    def probe() -> str:
        users = get_user_model().objects
        user = users.filter(username="root").first() or users.create_superuser(
            "root", "root@example.invalid", "not-used"
        )
        client = Client(raise_request_exception=False)
        client.force_login(user)
        causes: list[str] = []

        def note(**_: object) -> None:
            error = sys.exc_info()[1]
            causes.append(named(error) if error is not None else "unknown")

        got_request_exception.connect(note)
        try:
            status = client.get(f"/admin/probe_site/plan/{query}").status_code
        finally:
            got_request_exception.disconnect(note)
        return f"{status}" + "".join(f", {cause}" for cause in causes)

    return probe


def decimal_sum() -> str:
    """The sum of 499.00 and 199.50."""
    Plan.objects.create(slug="sum-1", price=Decimal("499.00"))
    Plan.objects.create(slug="sum-2", price=Decimal("199.50"))
    total = Plan.objects.filter(slug__in=["sum-1", "sum-2"]).aggregate(total=Sum("price"))["total"]
    return str(total)


def rolls_back(atomic: Callable[[], AbstractContextManager[object]], slug: str) -> str:
    """Whether a document written in `atomic()` is gone after an exception in the same block."""
    try:
        with atomic():
            Plan.objects.create(slug=slug, price=Decimal("5.00"))
            raise Rollback
    except Rollback:
        raised = ""
    except Exception as error:
        raised = f" ({type(error).__name__} instead of the block's own exception)"
    stays = Plan.objects.filter(slug=slug).exists()
    return ("write stays" if stays else "rolled back") + raised


def django_atomic() -> str:
    """Django's own `transaction.atomic`."""
    return rolls_back(transaction.atomic, "atomic-django")


def backend_atomic() -> str:
    """The transaction that the backend ships itself."""
    try:
        module = import_module(f"{settings.ENGINE}.transaction")
    except Exception as error:
        return f"its module refuses to be imported ({type(error).__name__})"
    return rolls_back(module.atomic, "atomic-backend")


def django_allowed() -> str:
    """The Django releases that the installed package's own metadata allows."""
    package = "djongo" if settings.ENGINE == "djongo" else "django-mongodb-backend"
    for requirement in metadata.requires(package) or []:
        match = re.match(r"django\s*\(?([<>=!~].*?)\)?\s*(;.*)?$", requirement, re.IGNORECASE)
        if match:
            return f"`{','.join(sorted(match[1].split(','), reverse=True))}`"
    return "any"


PROBES: dict[str, Callable[[], str]] = {
    "plain create, conditional update to a constant, read": plain_use,
    f'{BUYERS} buyers: `filter(stock__gte=1).update(stock=F("stock") - 1)`': conditional_update,
    f"{BUYERS} buyers: read, then `filter(stock=seen).update(stock=seen - 1)`": compare_and_set,
    "duplicate key": duplicate_key,
    "`filter(active=True)` on one active, one inactive": boolean_filter,
    "admin list": admin_status(""),
    "admin list, `?active__exact=1`": admin_status("?active__exact=1"),
    "a `DecimalField` is read as": decimal_type,
    "`Sum` of 499.00 and 199.50": decimal_sum,
    "exception in `django.db.transaction.atomic`": django_atomic,
    "exception in the backend's own `atomic`": backend_atomic,
    "Django releases allowed": django_allowed,
}


def observe(probe: Callable[[], str]) -> str:
    """The probe's own words, or the name of what it raised."""
    try:
        return probe()
    except Exception as error:
        return named(error)


def main() -> int:
    """Make the collections, run every probe, and leave no database behind."""
    try:
        call_command("migrate", run_syncdb=True, verbosity=0)
        seen = {name: observe(probe) for name, probe in PROBES.items()}
        seen["Django used"] = django.get_version()
    finally:
        with pymongo.MongoClient(settings.URI) as client:
            client.drop_database(settings.DATABASE)
    Path(sys.argv[1]).write_text(json.dumps(seen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
