"""The floors of the house: every import runs down, as CONTRIBUTING.md says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "ottsonly": 0,
    "accounts": 1,
    "catalog": 2,
    "help_pages": 2,
    "subscriptions": 3,
    "wallet": 3,
    "orders": 4,
    "invoices": 5,
    "notifications": 6,
    "telegram_alerts": 6,
}
# They put the house together, console included.
PLANS = {"ottsonly/settings.py", "ottsonly/apps.py"}
OUTSIDE = {"dev", "embedded_mongodb", "razorpay_sandbox", "tests", "benchmarks"}


def _is_roof(module: Path) -> bool:
    """Whether it may call any room: the console's files, and commands of the command line."""
    inside = module.relative_to(ROOT).parts
    if "/".join(inside) in PLANS:
        return True
    return inside[0] == "console" or inside[1].startswith("admin") or "management" in inside


def _modules(room: str) -> Iterator[Path]:
    for path in sorted((ROOT / room).rglob("*.py")):
        if "migrations" not in path.parts:
            yield path


def _imports(module: Path) -> Iterator[str]:
    """Every module that is imported, also in a function."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _against_the_rule(room: str, module: Path, imported: str) -> bool:
    other, *inside = imported.split(".")
    if other in OUTSIDE:
        return True
    if _is_roof(module) or (other not in FLOORS and other != "console"):
        return False
    is_roof = other == "console" or (inside and inside[0].startswith("admin"))
    return bool(is_roof) or (other != room and FLOORS[other] >= FLOORS[room])


@pytest.mark.parametrize("room", [*FLOORS, "console"])
def test_imports_run_down_the_floors(room):
    seen = [(path, name) for path in _modules(room) for name in _imports(path)]
    assert len(seen) > 10
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in seen
        if _against_the_rule(room, path, name)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "imported", "wrong"),
    [
        ("wallet/services.py", "orders.services.place_order", True),
        ("wallet/services.py", "subscriptions.models.Subscription", True),
        ("wallet/services.py", "wallet.admin.WalletAdmin", True),
        ("wallet/services.py", "console.figures.close_days", True),
        ("wallet/admin.py", "dev.run.main", True),
        ("wallet/admin.py", "orders.services.place_order", False),
        ("wallet/services.py", "accounts.models.User", False),
        ("wallet/services.py", "django.db.connection", False),
    ],
)
def test_the_rule_would_be_seen_broken(module, imported, wrong):
    assert _against_the_rule(module.split("/")[0], ROOT / module, imported) is wrong


def test_nothing_is_prefetched_past_the_index():
    modules = [path for room in [*FLOORS, "console"] for path in _modules(room)]
    assert [path for path in modules if ".prefetch_related(" in path.read_text("utf-8")] == []


def test_every_app_has_its_floor_and_no_room_is_a_junk_room(settings):
    rooms = {app.split(".")[0] for app in settings.INSTALLED_APPS}
    rooms = {room for room in rooms if (ROOT / room / "apps.py").is_file()}
    assert rooms == {*FLOORS, "console"}
    assert [path for room in rooms for path in (ROOT / room).rglob("utils.py")] == []
