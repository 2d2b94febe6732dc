"""A start that cannot be right ends with a sentence that names the variable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "s" * 60,
    "HASH_KEY": "h" * 60,
    "CREDENTIAL_KEYS": "ZGV2ZWxvcG1lbnQtb25seS1rZXktb2Ytbm8tdmFsdWU=",
    "ALLOWED_HOSTS": "shop.example",
    "MONGODB_URI": "mongodb://db.example/?replicaSet=shop",
}


def start(**changed: str | None) -> str:
    """Import the settings in a process of its own; return the last line of what it says."""
    system = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    wanted = {name: value for name, value in {**PRODUCTION, **changed}.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", "import ottsonly.settings as s; print(s.DEBUG, s.ALLOWED_HOSTS)"],
        cwd=ROOT,
        env={**system, **wanted},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (done.stderr or done.stdout).splitlines()[-1]


def test_production_starts_with_what_the_readme_calls_required() -> None:
    assert start() == "False ['shop.example']"


@pytest.mark.parametrize("name", ["SECRET_KEY", "HASH_KEY", "CREDENTIAL_KEYS", "MONGODB_URI"])
def test_a_secret_that_is_missing_is_named(name: str) -> None:
    said = start(**{name: None})
    assert said.startswith("django.core.exceptions.ImproperlyConfigured: ")
    assert name in said


@pytest.mark.parametrize(
    ("old", "new"), [("MONGODB_URL", "MONGODB_URI"), ("DATABASE_NAME", "MONGODB_NAME")]
)
def test_a_name_of_the_old_system_is_refused_and_not_ignored(old: str, new: str) -> None:
    assert start(**{old: "mongodb://old.example/shop"}) == (
        f"django.core.exceptions.ImproperlyConfigured: {old} is a variable of the old system and "
        f"is not read here: set {new} instead and remove {old}."
    )


def test_debug_is_off_unless_asked_for() -> None:
    assert start(DEBUG=None) == "False ['shop.example']"
