"""The console as its people open it: a log-in and a second factor that were passed."""

import pytest
from django_otp import DEVICE_ID_SESSION_KEY

from accounts.models import TotpDevice
from tests.factories import AdminFactory, SupportFactory


@pytest.fixture
def console_for(client_for):
    """Return a function that opens a browser in which a member of the staff is logged in."""

    def make(user):
        client = client_for(user)
        device = TotpDevice.objects.create(user=user, name="authenticator", key="MFRGGZDFMZTWQ2LK")
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
        return client

    return make


@pytest.fixture
def admin_user(db):
    return AdminFactory(name="Meera")


@pytest.fixture
def console(console_for, admin_user):
    """An admin's browser."""
    return console_for(admin_user)


@pytest.fixture
def support(console_for, db):
    """A support agent's browser."""
    return console_for(SupportFactory())


@pytest.fixture
def command():
    """Return a function that does a command as a person would: read the form, send it."""

    def do(client, url, *, confirm=True, **fields):
        page = client.get(url)
        assert page.status_code == 200, page.content.decode()
        data = {"command_key": page.context["key"], **fields}
        if confirm:
            data["confirmed"] = "1"
        return client.post(url, data)

    return do
