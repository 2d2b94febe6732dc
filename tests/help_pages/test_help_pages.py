"""Help pages: what they say, how their markup is kept harmless, and how operators rewrite them."""

import importlib
import re

import pytest
from django.apps import apps
from django.test import Client
from django.urls import resolve
from django_otp import DEVICE_ID_SESSION_KEY

from accounts.models import TotpDevice
from help_pages.errors import EditedMeanwhile
from help_pages.facts import shop_facts
from help_pages.markup import render_markup
from help_pages.models import HelpPage
from help_pages.services import edit_page
from help_pages.shipped import SHIPPED
from ottsonly.models import AuditEvent
from tests.factories import AdminFactory, SupportFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_pages(db: None) -> None:
    """The first test of a run finds those that the migration made, the others find none."""
    HelpPage.objects.all().delete()


@pytest.fixture
def faq() -> HelpPage:
    return HelpPage.objects.create(slug="faq")


@pytest.fixture
def console_for(client_for):
    def make(user):
        client = client_for(user)
        device = TotpDevice.objects.create(user=user, name="a", key="MFRGGZDFMZTWQ2LK")
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
        return client

    return make


def edit_url(page: HelpPage) -> str:
    return f"/admin/help_pages/helppage/{page.pk}/edit/"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("## A & B\nx", '<h2 id="a-b">A &amp; B</h2>\n<p>x</p>'),
        ("### Small\nx", '<h3 id="small">Small</h3>\n<p>x</p>'),
        ("- a\n- b\n  c\n\nd", "<ul>\n<li>a</li>\n<li>b c</li>\n</ul>\n<p>d</p>"),
        ("**so** it", "<p><strong>so</strong> it</p>"),
        ("[in](/help/faq/)", '<p><a href="/help/faq/">in</a></p>'),
        (
            "[out](https://x.example/?a=1&b=2)",
            '<p><a href="https://x.example/?a=1&amp;b=2">out</a></p>',
        ),
        ("[mail](mailto:a@b.example)", '<p><a href="mailto:a@b.example">mail</a></p>'),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](//evil.example)", "<p>[x](//evil.example)</p>"),
        ("[x](/\\evil.example)", "<p>[x](/\\evil.example)</p>"),
        ("[x](http://plain.example)", "<p>[x](http://plain.example)</p>"),
        ('[x](/"onclick="a)', '<p><a href="/&quot;onclick=&quot;a">x</a></p>'),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("## <b>\nx", '<h2 id="b">&lt;b&gt;</h2>\n<p>x</p>'),
        ("of {shop}, {unknown}", "<p>of A &lt;shop&gt;, {unknown}</p>"),
        ("by {seller}", ""),
        ("## Who\n- {seller}\n- GSTIN {seller}\n\n## Next\nx", '<h2 id="next">Next</h2>\n<p>x</p>'),
        ("## A\n### B\n{seller}\n### C\nx", '<h2 id="a">A</h2>\n<h3 id="c">C</h3>\n<p>x</p>'),
        ("x\n## End", "<p>x</p>"),
        ("", ""),
    ],
)
def test_the_markup_is_small_and_escaped(text, html):
    assert render_markup(text, {"shop": "A <shop>", "seller": ""}) == html


@pytest.mark.parametrize("slug", SHIPPED)
def test_everybody_reads_the_shipped_pages_with_one_command(slug, commands, settings):
    settings.SELLER_NAME = settings.SELLER_ADDRESS = settings.SELLER_GSTIN = ""
    commands.clear()
    page = Client().get(f"/help/{slug}/")
    text = page.content.decode()
    assert page.status_code == 200
    assert SHIPPED[slug].title in text
    assert commands == ["aggregate help_pages"]
    assert "{" not in re.sub(r"content='[^']*'", "", text)
    assert "GSTIN" not in text and "Who sells" not in text and "Who we are" not in text


def test_what_is_set_is_named(settings):
    settings.SELLER_NAME, settings.SELLER_ADDRESS = "Kiosk LLP", "1 Mall Road"
    settings.SUPPORT_EMAIL = "help@shop.example"
    settings.SUPPORT_WHATSAPP_URL = "https://wa.me/911"
    settings.SUPPORT_TELEGRAM_URL = "https://t.me/shop"
    settings.OTP_LIFETIME_SECONDS = 300
    text = Client().get("/help/contact/").content.decode()
    for wanted in ("Kiosk LLP", "1 Mall Road", "mailto:help@shop.example", "wa.me", "t.me/shop"):
        assert wanted in text
    assert "GSTIN" not in text
    faq = Client().get("/help/faq/").content.decode()
    assert "good for 5 minutes and 5 tries" in faq
    assert "from ₹100 to ₹20,000 at a time" in faq


def test_every_fact_and_link_of_the_shipped_texts_exists():
    facts = shop_facts()
    for page in SHIPPED.values():
        assert set(re.findall(r"\{([a-z_]+)\}", page.body)) <= set(facts)
        for address in re.findall(r"\]\((/[^)]*)\)", page.body):
            assert resolve(address).func
            slug = re.fullmatch(r"/help/(\w+)/", address)
            assert slug is None or slug[1] in SHIPPED


def test_the_index_and_every_footer_lead_to_the_pages(commands):
    index = Client().get("/help/")
    assert [page.slug for page in index.context["pages"]] == list(SHIPPED)
    commands.clear()
    text = Client().get("/login/").content.decode()
    assert commands == []
    for slug in SHIPPED:
        assert f'href="/help/{slug}/"' in text


def test_a_page_that_is_none_is_not_found(commands):
    commands.clear()
    assert Client().get("/help/careers/").status_code == 404
    assert commands == []


def test_the_migration_adds_what_is_missing_and_touches_no_edit():
    module = importlib.import_module("help_pages.migrations.0002_pages")
    HelpPage.objects.create(slug="terms", body="Ours.", version=3)
    for _unused in range(2):
        module.add_pages(apps, None)
    assert sorted(HelpPage.objects.values_list("slug", "body")) == [
        ("contact", ""),
        ("faq", ""),
        ("privacy", ""),
        ("refunds", ""),
        ("terms", "Ours."),
    ]
    assert set(module.SLUGS) == set(SHIPPED)


def test_an_operator_looks_first_and_saves_then(faq, console_for):
    admin = AdminFactory()
    client = console_for(admin)
    form = client.get(edit_url(faq)).context["form"]
    assert form.initial["body"] == SHIPPED["faq"].body
    words = {"title": "Ask us", "body": "## Why\r\n<b>So</b>", "position": "4", "version": "0"}
    page = client.post(edit_url(faq), {**words, "preview": "1"})
    assert '<h2 id="why">Why</h2>\n<p>&lt;b&gt;So&lt;/b&gt;</p>' in page.content.decode()
    faq.refresh_from_db()
    assert (faq.is_as_shipped, faq.version, AuditEvent.objects.count()) == (True, 0, 0)
    # No browser sends such a version, and no database could compare with it.
    forged = client.post(edit_url(faq), {**words, "version": str(10**30), "save": "1"})
    assert forged.status_code < 500
    faq.refresh_from_db()
    assert (faq.is_as_shipped, faq.version, AuditEvent.objects.count()) == (True, 0, 0)
    assert client.post(edit_url(faq), {**words, "save": "1"}).status_code == 302
    faq.refresh_from_db()
    assert (faq.title, faq.body, faq.position, faq.version, faq.updated_by_id) == (
        "Ask us",
        "## Why\n<b>So</b>",
        4,
        1,
        admin.pk,
    )
    event = AuditEvent.objects.get()
    assert (event.actor_id, event.action, event.before["body"], event.after["body"]) == (
        admin.pk,
        "help_page.edit",
        "",
        "## Why\n<b>So</b>",
    )
    text = Client().get("/help/faq/").content.decode()
    assert "<h1>Ask us</h1>" in text and "&lt;b&gt;So&lt;/b&gt;" in text and "Last changed" in text


def test_two_operators_at_once_do_not_undo_each_other(faq, console_for):
    client = console_for(AdminFactory())
    words = {"title": "", "position": "0", "version": "0", "save": "1"}
    client.post(edit_url(faq), {**words, "body": "first"})
    page = client.post(edit_url(faq), {**words, "body": "second"})
    assert b"Somebody else saved this page meanwhile" in page.content
    assert page.context["form"]["body"].value() == "second"
    faq.refresh_from_db()
    assert (faq.body, AuditEvent.objects.count()) == ("first", 1)
    with pytest.raises(EditedMeanwhile):
        edit_page(page=faq, title="", body="x", position=0, version=0, actor=AdminFactory())


def test_the_shipped_words_come_back_by_emptying_or_by_saving_them(faq):
    admin = AdminFactory()
    shipped = SHIPPED["faq"]
    for version, (title, body) in enumerate(
        [("Mine", "mine"), ("", ""), ("Mine", "mine"), (shipped.title, shipped.body)]
    ):
        edit_page(page=faq, title=title, body=body, position=0, version=version, actor=admin)
        assert faq.is_as_shipped is bool(version % 2)
    assert (faq.shown_title, faq.shown_body) == (shipped.title, shipped.body)


def test_support_reads_and_changes_nothing(faq, console_for):
    client = console_for(SupportFactory())
    assert client.get("/admin/help_pages/helppage/").status_code == 200
    page = client.get(f"/admin/help_pages/helppage/{faq.pk}/change/")
    # No link that would lead to a refusal.
    assert (page.status_code, edit_url(faq) in page.content.decode()) == (200, False)
    assert client.get(edit_url(faq)).status_code == 403
    words = {"title": "x", "body": "x", "position": "0", "version": "0", "save": "1"}
    assert client.post(edit_url(faq), words).status_code == 403
    faq.refresh_from_db()
    assert (faq.is_as_shipped, faq.version, AuditEvent.objects.count()) == (True, 0, 0)


def test_nobody_adds_or_deletes_a_page(faq, console_for):
    client = console_for(AdminFactory())
    assert client.post("/admin/help_pages/helppage/add/", {"title": "x"}).status_code == 403
    gone = client.post(f"/admin/help_pages/helppage/{faq.pk}/delete/", {"post": "yes"})
    assert (gone.status_code, HelpPage.objects.count()) == (403, 1)


def test_the_cookies_that_are_set_are_those_that_are_named(customer):
    browser = Client()
    browser.get("/login/")
    browser.force_login(customer)
    browser.post("/profile/", {"name": "Asha", "email": ""})
    assert set(browser.cookies) == {"sessionid", "csrftoken", "messages"}
    cookies = SHIPPED["privacy"].body.split("## Cookies")[1].split("##")[0]
    assert cookies.strip().startswith("Three: ")
    for name in browser.cookies:
        assert name in cookies


def test_the_texts_know_what_customers_can_do_by_themselves():
    assert "Only if you switch that on" in SHIPPED["faq"].body
    assert "delete your account, by yourself:\n[your data](/profile/data/)" in (
        SHIPPED["privacy"].body
    )
    assert "cannot be paid" not in SHIPPED["refunds"].body
    assert "nothing else but word" not in SHIPPED["privacy"].body
