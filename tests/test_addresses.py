"""Every address of the shop, with every method, as everybody: who may come in, and what changes.

The resolver is walked, so an address that is in no table fails `test_every_address_is_known`: add
one line for it to ADDRESSES (or a pattern to CONSOLE when it begins with "admin/").
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from bson import encode
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from tests.conftest import WRITES, WRITTEN
from tests.world import World, make_world

pytestmark = pytest.mark.django_db

ROLES = ("owner", "stranger", "support", "admin", "nobody")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# Statuses, in the order of ROLES. "200|302" means either.
NO = "405 405 405 405 405"  # this method is not taken
OPEN = "200 200 200 200 200"  # anybody
MINE = "200 200 403 403 302"  # a page of every customer's own things
OWN = "200 404 403 403 302"  # a document of one customer
GO = "302 302 403 403 302"  # a form of every customer's own things, which leads on
OWN_GO = "302 404 403 403 302"  # a form about a document of one customer
AWAY = "302 302 302 302 302"


@dataclass
class Line:
    """What one address answers.

    get: also of HEAD. post, other (PUT, PATCH, DELETE, OPTIONS): NO unless given.
    data: what is posted; "{quote}" and the like stand for values of the fixture `world`.
    changes: role -> collections that its POST may change; nothing else may change, by nobody.
    counts: collections that even reading may change: limits are counted.
    values: the arguments of the address, by the names in its route.
    """

    get: str = NO
    post: str = NO
    other: str = NO
    data: dict[str, str] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)
    counts: str = ""
    values: dict[str, str] = field(default_factory=dict)

    def status(self, method: str, role: str) -> set[str]:
        """Return the statuses that are right."""
        column = {"GET": self.get, "HEAD": self.get, "POST": self.post}.get(method, self.other)
        return set(column.split()[ROLES.index(role)].split("|"))


def page(statuses: str, **values: str) -> Line:
    """A page that is only read."""
    return Line(get=statuses, values=values)


PLAN = {"platform_slug": "nataka", "plan_slug": "premium"}
SPEND = "orders subscriptions wallets wallet_transactions notifications alerts counters"
CODES = "one_time_codes counters"

# One line for each address: its route as in urls.py.
ADDRESSES = {
    "": page(OPEN),
    "plans/": page(OPEN),
    "plans/<slug:platform_slug>/<slug:plan_slug>/": page(OPEN, **PLAN),
    "plans/<slug:platform_slug>/<slug:plan_slug>/watch/": Line(
        post=GO,
        changes={"owner": "stock_watches", "stranger": "stock_watches"},
        values={"platform_slug": "surtaal", "plan_slug": "family"},
    ),
    "help/": page(OPEN),
    "help/<slug:slug>/": page(OPEN, slug="faq"),
    "login/": Line(
        "302 302 302 302 200",
        post="302 302 302 302 302",
        other="302 302 302 302 200",
        data={"phone": "98111 11111"},
        changes={"nobody": CODES},
    ),
    "login/code/": Line(AWAY, post=AWAY, other=AWAY, data={"code": "123456"}),
    "login/resend/": Line(post=AWAY),
    "logout/": Line(post=AWAY, changes=dict.fromkeys(ROLES[:4], "sessions")),
    "logout/everywhere/": Line(
        post=AWAY, changes=dict.fromkeys(ROLES[:4], "users sessions audit_events")
    ),
    "profile/": Line(
        "200 200 200 200 302",
        post=AWAY,
        other="200 200 200 200 302",
        data={"name": "New", "email": "new@example.com"},
        changes=dict.fromkeys(ROLES[:4], "users"),
    ),
    "logout/others/": Line(
        post=AWAY, changes=dict.fromkeys(ROLES[:4], "users sessions audit_events")
    ),
    "profile/sessions/<str:handle>/end/": Line(post=AWAY, values={"handle": "0" * 32}),
    "profile/data/": page(MINE),
    "profile/data/export/": Line(post=MINE, changes={"owner": "counters", "stranger": "counters"}),
    "profile/data/delete/": Line(
        post=GO,
        data={"sure": "yes"},
        changes={
            "owner": "",
            "stranger": "users sessions audit_events one_time_codes notifications wallets",
        },
    ),
    "profile/phone/": Line(
        "200 200 200 200 302",
        post=AWAY,
        other="200 200 200 200 302",
        data={"phone": "98111 22222"},
        changes=dict.fromkeys(ROLES[:4], f"{CODES} sessions"),
    ),
    "profile/phone/old/": Line(AWAY, post=AWAY, other=AWAY, data={"code": "123456"}),
    "profile/phone/new/": Line(AWAY, post=AWAY, other=AWAY, data={"code": "123456"}),
    "profile/phone/resend/": Line(post=AWAY),
    "second-factor/": Line(
        "403 403 200 200 302",
        post="403 403 200 200 302",
        other="403 403 200 200 302",
        data={"token": "000000"},
        changes={"support": "counters", "admin": "counters"},
    ),
    "enrol/<str:token>/": Line(
        "403 403 410 200 302",
        post="403 403 410 200 302",
        other="403 403 410 200 302",
        data={"token": "000000"},
        changes={"admin": "counters"},
        values={"token": "{enrolment}"},
    ),
    "buy/<slug:platform_slug>/<slug:plan_slug>/": Line(
        MINE,
        post="302 200 403 403 302",
        data={"quote": "{quote}"},
        changes={"owner": f"{SPEND} products stock_movements credentials"},
        values=PLAN,
    ),
    "renew/<objectid:pk>/": Line(
        OWN,
        post="302 404 403 403 302",
        data={"quote": "{renewal}"},
        changes={"owner": SPEND},
        values={"pk": "{subscription}"},
    ),
    "orders/": page(MINE),
    "orders/<str:number>/": page(OWN, number="{order}"),
    "receipts/orders/<objectid:pk>/": page(OWN, pk="{order_id}"),
    "receipts/orders/<objectid:pk>/pdf/": Line(
        get=OWN, counts="counters", values={"pk": "{order_id}"}
    ),
    "receipts/refunds/<objectid:pk>/": page(OWN, pk="{refund}"),
    "receipts/refunds/<objectid:pk>/pdf/": Line(
        get=OWN, counts="counters", values={"pk": "{refund}"}
    ),
    "receipts/topups/<objectid:pk>/": page(OWN, pk="{paid_recharge}"),
    "receipts/topups/<objectid:pk>/pdf/": Line(
        get=OWN, counts="counters", values={"pk": "{paid_recharge}"}
    ),
    "wallet/": page(MINE),
    "wallet/statement/": page(MINE),
    "wallet/statement/print/": Line(get=MINE, counts="counters"),
    "wallet/statement/csv/": Line(get=MINE, counts="counters"),
    "wallet/topup/": Line(
        post=MINE, data={"amount": "200", "key": "k1"}, changes={"owner": "", "stranger": ""}
    ),
    "wallet/topup/<objectid:pk>/": page(OWN, pk="{recharge}"),
    "wallet/topup/<objectid:pk>/callback/": Line(
        post=OWN_GO,
        data={"razorpay_order_id": "o", "razorpay_payment_id": "p", "razorpay_signature": "s"},
        values={"pk": "{recharge}"},
    ),
    "wallet/razorpay/webhook": Line(post="400 400 400 400 400"),
    "subscriptions/": page(MINE),
    "subscriptions/<objectid:pk>/": page(OWN, pk="{subscription}"),
    "subscriptions/<objectid:pk>/auto-renew/": Line(
        post=OWN_GO,
        data={"on": "1", "price": "{auto_renewal}"},
        changes={"owner": "subscriptions subscription_reminders"},
        values={"pk": "{subscription}"},
    ),
    "subscriptions/<objectid:pk>/credentials/": Line(
        post=OWN, changes={"owner": "credential_reveals counters"}, values={"pk": "{subscription}"}
    ),
    "subscriptions/<objectid:pk>/problem/": Line(
        OWN_GO,
        post=OWN_GO,
        data={"category": "other", "text": "x"},
        changes={"owner": "problem_reports alerts counters"},
        values={"pk": "{subscription}"},
    ),
    "notifications/": page(MINE),
    "notifications/read/": Line(post=GO, changes={"owner": "notifications"}),
    "notifications/<objectid:pk>/open/": Line(
        post=OWN_GO, changes={"owner": "notifications"}, values={"pk": "{notice}"}
    ),
    "notifications/<objectid:pk>/delete/": Line(
        post=OWN_GO, changes={"owner": "notifications"}, values={"pk": "{notice}"}
    ),
}


def console(support: str, admin: str, *, support_post: str = "", admin_post: str = "") -> Line:
    """A console page: who is not staff with a second factor is led away from every method."""
    return Line(
        get=f"302 302 {support} {admin} 302",
        post=f"302 302 {support_post or support} {admin_post or admin} 302",
        other=f"302 302 {support}|405 {admin}|405 302",
    )


# Console addresses by pattern, the first that fits. An admin's POST may change anything there (what
# it changes is for other tests), support's nothing. A model
# of which `world` has no document leads back to the console's start (302).
CONSOLE = [
    # The papers of any order, refund or top-up, here asked for by the key of an invoice.
    (r"invoices/invoice/<objectid:pk>/of-(order|refund|recharge)/", console("404", "404")),
    (r"login/", Line("403 403 302 302 302", "403 403 302 302 302", "403 403 302 302 302")),
    (
        r"logout/",
        Line(
            "302 302 405 405 302",
            "302 302 200 200 302",
            "302 302 200|405 200|405 302",
            changes={"support": "sessions"},
        ),
    ),
    (r"autocomplete/", console("403|405|200", "403|405|200")),
    (r"export/", console("403", "200", admin_post="400")),
    (r"jsi18n/|[a-z_]+/|", console("200", "200", support_post="200|405", admin_post="200|405")),
    (r"\w+/\w+/", console("200", "200", support_post="200|302|403", admin_post="200|302|403")),
    (r"\w+/\w+/add/", console("403", "200|403", admin_post="200|302|403")),
    (r"\w+/\w+/<path:object_id>/history/", console("200|302", "200|302")),
    (r"\w+/\w+/<path:object_id>/delete/", console("403", "200|403", admin_post="200|302|403")),
    (
        r"\w+/\w+/<path:object_id>/change/",
        console("200|302", "200|302", support_post="302|403", admin_post="200|302|403"),
    ),
    # New words without a version are shown again with the error.
    (r"help_pages/helppage/<objectid:pk>/edit/", console("403", "200|404")),
    (
        # A form of its own that calls a service, such as that of the help pages.
        r"\w+/\w+/<objectid:pk>/[\w-]+/",
        console("403|404", "200|404", admin_post="200|302|404"),
    ),
    (
        # A command: without the key that its form carries nothing is done.
        r"\w+/\w+/<(?:path:object_id|objectid:pk)>/[\w-]+/",
        console("403", "200|404", admin_post="200|302|400|404"),
    ),
    (r"\w+/\w+/<path:object_id>/", console("302", "302")),
    (r"\(\?P<url>\.\*\)\$", console("404", "404")),
]
# What a console form would need to do harm, whichever it is.
HARM = {
    "action": "deliver_orders",
    "amount": "10",
    "reason": "x",
    "key": "k",
    "delta": "5",
    "note": "x",
    "new_password": "stolen",
    "post": "yes",
}
UNKNOWN = (
    "Unknown address {route!r} ({view}). Say in tests/test_addresses.py who may see it and what it "
    "may change: one line in ADDRESSES, such as {route!r}: page(MINE), or Line(post=..., "
    "changes=...); for a console page a pattern in CONSOLE."
)


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, str]]:
    for item in resolver.url_patterns:
        route = prefix + str(item.pattern)
        if isinstance(item, URLPattern):
            yield route, item.lookup_str
        else:
            yield from _routes(item, route)


ROUTES = list(_routes(get_resolver()))


def _app_index(route: str) -> str:
    """The console's one regular expression that lists apps, as an ordinary route."""
    return re.sub(r"^admin/\^\(\?P<app_label>[\w|]+\)/\$$", "admin/orders/", route)


def line_of(route: str) -> Line | None:
    """Return the table's line for a route, None when it is in no table."""
    if not route.startswith("admin/"):
        return ADDRESSES.get(route)
    inner = _app_index(route).removeprefix("admin/")
    return next((line for pattern, line in CONSOLE if re.fullmatch(pattern, inner)), None)


def test_every_address_is_known():
    unknown = [
        UNKNOWN.format(route=route, view=view) for route, view in ROUTES if not line_of(route)
    ]
    assert unknown == [], "\n".join(unknown)
    gone = set(ADDRESSES) - {route for route, _view in ROUTES}
    assert gone == set(), f"No such address any more, remove the line: {sorted(gone)}"


class Database:
    """The whole database: what changed since, and the way back."""

    def __init__(self, own_session: Callable[[], str | None]) -> None:
        self._own_session = own_session
        self._documents = {name: self._read(name) for name in self._names()}
        self._digests = {name: self._digest(name) for name in self._documents}

    @staticmethod
    def _names() -> list[str]:
        return sorted(connection.database.list_collection_names())

    @staticmethod
    def _read(name: str) -> list[dict[str, Any]]:
        return list(connection.database[name].find().sort("_id", 1))

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        for document in self._read(name):
            # The visitor's own session aside, and those of nobody.
            if name == "sessions" and not document.get("user_id"):
                continue
            if name == "sessions" and document["_id"] == self._own_session():
                continue
            digest.update(encode(document))
        return digest.hexdigest()

    def changed(self, names: set[str] | None = None) -> set[str]:
        """Return the collections that differ; all are looked at unless `names` are given."""
        empty = hashlib.sha256().hexdigest()
        looked_at = self._names() if names is None else names
        return {name for name in looked_at if self._digest(name) != self._digests.get(name, empty)}

    def restore(self, names: set[str]) -> None:
        """Put the documents of these collections back as they were."""
        for name in names:
            connection.database[name].delete_many({})
            if documents := self._documents.get(name):
                connection.database[name].insert_many(documents)


@pytest.fixture
def world(db: None) -> World:
    """A shop in use."""
    return make_world()


def address_of(route: str, line: Line, values: dict[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        return line.values[match["name"]].format(**values)

    return "/" + re.sub(r"<(?:\w+:)?(?P<name>\w+)>", fill, route)


def _console_address(route: str, world: World) -> str:
    from django.apps import apps

    inner = _app_index(route).replace("(?P<url>.*)$", "no-such-page/")
    model = re.match(r"admin/(\w+)/(\w+)/.*<", inner)
    first = apps.get_model(model[1], model[2]).objects.first() if model else None
    key = str(first.pk) if first is not None else "0" * 24
    return "/" + re.sub(r"<[^>]*>", key, inner)


def _written() -> set[str]:
    """The collections that were written to since the list of commands was emptied."""
    sent = (command.split(" ", 1) for command in WRITTEN.commands)
    return {name for verb, name in sent if verb in WRITES}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("part", ["shop", "console"])
def test_every_address_and_method_admits_and_changes_only_what_it_should(part, role, world, caplog):
    # Hundreds of refusals on purpose: what is wrong is said in `wrong`.
    caplog.set_level(logging.CRITICAL, "django.request")
    client = world.clients[role]
    cookies = dict(client.cookies)
    key = client.cookies.get("sessionid")
    database = Database(lambda: key.value if key else None)
    wrong: list[str] = []
    tried: set[str] = set()
    for route, _view in ROUTES:
        line = line_of(route)
        if line is None or route.startswith("admin/") != (part == "console"):
            continue
        if part == "console":
            address, data = _console_address(route, world), HARM
        else:
            address = address_of(route, line, world.values)
            data = {name: value.format(**world.values) for name, value in line.data.items()}
        # The console's pages of every model are the same code: the rarer methods are tried on the
        # first model alone.
        kind = re.sub(r"^admin/\w+/\w+/", "", route)
        methods = METHODS if part == "shop" or kind not in tried else ("GET", "POST")
        tried.add(kind)
        for method in methods:
            WRITTEN.commands.clear()
            call = getattr(client, method.lower())
            answer = call(address, data) if method == "POST" else call(address)
            what = f"{role}: {method} {address}"
            if str(answer.status_code) not in line.status(method, role):
                wrong.append(
                    f"{what} answered {answer.status_code}, not {line.status(method, role)}"
                )
            allowed = set(line.counts.split()) if method in ("GET", "HEAD") else set()
            if method == "POST":
                allowed = set(line.changes.get(role, "").split())
            if role in ("stranger", "nobody"):
                text = answer.getvalue().decode(errors="replace")
                wrong += [f"{what} shows {word}" for word in world.private if word in text]
            # The listener sees every write of this process, so only those can differ.
            changed = database.changed(_written())
            free = part == "console" and role == "admin" and method == "POST"
            if changed - allowed and not free:
                wrong.append(f"{what} changed {sorted(changed - allowed)}")
            database.restore(changed)
            client.cookies.clear()
            for name, value in cookies.items():
                client.cookies[name] = value.value
    assert wrong == [], "\n".join(wrong)
    # And the whole of it once more, whoever wrote it.
    assert database.changed() == set()
