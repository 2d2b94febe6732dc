"""Support sees the whole console and changes nothing, by any route."""

import hashlib
import re

import bson
import pytest
from django.contrib import admin
from django.db import connection
from django.urls import reverse

from ottsonly.admin_commands import issue_key
from tests.console.world import SECRETS, addresses, fill
from tests.factories import AdminFactory, SupportFactory

pytestmark = pytest.mark.django_db
# Names of fields, money that is not in rupees, and dates in another form than ours.
RAW = re.compile(r"Created at|\b[Pp]aise\b|Kind text|Phone display|Actor\b|\b[ap]\.m\.")
# A visitor's own session, last log-in and counters of tries may change; nothing else may.
OWN = {"sessions", "counters", "system.views"}


@pytest.fixture
def world(customer, admin_user):
    return fill(customer, admin_user)


def keys_by_model() -> dict[str, list]:
    return {
        model._meta.label_lower.replace(".", "_"): list(
            model.objects.order_by().values_list("pk", flat=True)[:2]
        )
        for model in admin.site._registry
    }


def digests() -> dict[str, str]:
    """A digest of every collection, byte for byte."""
    found = {}
    for name in connection.database.list_collection_names():
        if name not in OWN:
            rows = sorted(bson.encode(row) for row in connection.database[name].find({}))
            found[name] = hashlib.sha256(b"".join(rows)).hexdigest()
    return found


@pytest.mark.parametrize("factory", [AdminFactory, SupportFactory])
def test_staff_open_every_page_and_see_no_secret(factory, console_for, world):
    client = console_for(factory())
    documents = keys_by_model()
    assert [name for name, keys in documents.items() if not keys] == []
    seen = 0
    for model in admin.site._registry:
        name = model._meta.label_lower.replace(".", "_")
        pages = [reverse(f"admin:{name}_changelist")]
        pages += [reverse(f"admin:{name}_change", args=[key]) for key in documents[name]]
        for address in pages:
            page = client.get(address)
            assert page.status_code == 200, address
            text = page.content.decode()
            assert not [secret for secret in SECRETS if secret in text]
            assert not RAW.findall(text), f"{address}: a database's words, not an operator's"
            seen += 1
    assert seen >= 2 * len(documents)


def test_support_gets_no_page_that_would_change_something(support, world):
    for name, keys in keys_by_model().items():
        model_admin = next(
            found
            for model, found in admin.site._registry.items()
            if model._meta.label_lower.replace(".", "_") == name
        )
        assert support.get(reverse(f"admin:{name}_add")).status_code == 403
        assert support.get(reverse(f"admin:{name}_delete", args=[keys[0]])).status_code == 403
        for command in model_admin.commands:
            address = model_admin.command_url(command, model_admin.model(pk=keys[0]))
            assert support.get(address).status_code == 403, address


def test_support_changes_nothing_by_any_address_action_or_forged_form(console_for, world):
    agent = SupportFactory()
    client = console_for(agent)
    client.raise_request_exception = False
    documents = keys_by_model()
    targets = addresses(documents)
    assert len(targets) > 100
    # What reading them answers, and that it changes nothing, is in tests/test_addresses.py.
    before = digests()
    forged = {
        "amount": "10",
        "direction": "credit",
        "reason": "x",
        "delta": "5",
        "note": "x",
        "role": "admin",
        "days": "5",
        "new_password": "stolen",
        "name": "changed",
        "slug": "changed",
        "is_active": "",
        "take_back": "on",
        "post": "yes",
        "confirmed": "1",
        "_save": "Save",
    }
    for model, model_admin in admin.site._registry.items():
        name = model._meta.label_lower.replace(".", "_")
        chosen = [str(key) for key in documents[name]]
        for action in [*model_admin.actions, "delete_selected"]:
            data = {"action": action, "index": "0", "_selected_action": chosen, **forged}
            client.post(reverse(f"admin:{name}_changelist"), data)
        for command in model_admin.commands:
            for key in documents[name]:
                action = f"{model._meta.label_lower}.{command.name}"
                signed = issue_key(user=agent, action=action, target=key)
                address = model_admin.command_url(command, model(pk=key))
                answer = client.post(address, {**forged, "command_key": signed})
                assert answer.status_code == 403, address
    for target in targets:
        if not target.startswith("/admin/logout"):
            assert client.post(target, forged).status_code < 500, target
    assert digests() == before
