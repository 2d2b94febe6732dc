"""The site: second factor, policy of content, own assets only."""

import re

import pytest
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from ottsonly.admin_site import ConsoleSite
from tests.factories import AdminFactory, SupportFactory

pytestmark = pytest.mark.django_db


def test_the_one_admin_site_is_ours_although_unfold_dresses_it():
    site = admin.site._wrapped if hasattr(admin.site, "_wrapped") else admin.site
    assert type(site) is ConsoleSite
    assert issubclass(ConsoleSite, UnfoldAdminSite)


@pytest.mark.parametrize("factory", [AdminFactory, SupportFactory])
@pytest.mark.parametrize("name", ["admin:index", "console:find", "admin:orders_order_changelist"])
def test_without_the_second_factor_no_page_opens(client_for, factory, name):
    answer = client_for(factory()).get(reverse(name))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/?next=/admin/")


def test_a_customer_is_refused_and_a_stranger_led_to_the_log_in(client, client_for, customer):
    assert client_for(customer).get(reverse("admin:index"), follow=True).status_code == 403
    assert (
        client.get(reverse("admin:index"), follow=True).redirect_chain[-1][0].startswith("/login")
    )


def test_there_is_no_password_to_change(console):
    assert console.get("/admin/password_change/").status_code == 404


def test_only_console_pages_may_run_what_unfold_needs(console, client):
    policy = console.get(reverse("admin:index")).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["style-src"] == "'self' 'unsafe-inline'"
    assert rules["default-src"] == "'self'"
    shop = client.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in shop


@pytest.mark.parametrize(
    "name",
    ["admin:index", "console:find", "admin:orders_order_changelist", "admin:catalog_plan_add"],
)
def test_pages_take_everything_from_our_own_host(console, name):
    text = console.get(reverse(name)).content.decode()
    loaded = re.findall(r'<(?:script|link|img)[^>]*?(?:src|href)="([^"]*)"', text)
    assert len(loaded) > 8
    for address in loaded:
        assert address.startswith(("/static/", "/admin/jsi18n/"))
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text) == []
