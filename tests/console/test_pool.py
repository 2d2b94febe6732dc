"""The pool in the console: many accounts at once, looks, passwords, broken accounts."""

import pytest
from cryptography.fernet import Fernet
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse

from ottsonly.models import AuditEvent
from subscriptions import admin_imports, imports
from subscriptions.imports import continue_imports
from subscriptions.models import Credential, CredentialImport, ImportPart, Reveal, Subscription
from tests.factories import PIN, CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db
ADD = reverse("admin:subscriptions_credentialimport_add")
LINES = "login,password\na@x.example,pw-one\nbad\na@x.example,pw-two\nb@x.example,pw-three"


def address(document, command=""):
    name = document._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{name}_{command or 'change'}", args=[document.pk])


def paste(client, on_plan, text=LINES, **fields):
    data = {"command_key": client.get(ADD).context["key"], "plan": str(on_plan.pk), "text": text}
    return client.post(ADD, data | fields)


def buyers(plan, count):
    bought = []
    for _unused in range(count):
        user = CustomerFactory()
        give_money(user, 500_00)
        bought.append(buy(user, plan).subscription)
    return bought


def test_pasted_lines_are_judged_one_by_one_and_then_added_once(console, command, admin_user):
    plan = PlanFactory()
    (waiting,) = buyers(plan, 1)
    answer = paste(console, plan)
    source = CredentialImport.objects.get()
    assert answer.headers["Location"] == address(source)
    page = console.get(address(source))
    assert page.context["verdicts"] == [
        (2, "ok", "New: will be added"),
        (3, "few", "Only one column: the password is missing"),
        (4, "file", "The same login stands further up"),
        (5, "ok", "New: will be added"),
    ]
    text = page.content.decode()
    assert "0 of 2 accounts are in the pool." in text
    assert "x.example" not in text and "pw-" not in text
    assert "Refresh" not in page.headers
    assert Credential.objects.count() == 0
    for _unused in range(2):
        assert command(console, address(source, "start")).status_code == 302
    assert Credential.objects.filter(plan=plan, imported_by=source).count() == 2
    assert Subscription.objects.get(pk=waiting.pk).holds_seat
    text = console.get(address(source)).content.decode()
    assert "2 of 2 accounts are in the pool." in text
    assert [event.actor_id for event in AuditEvent.objects.filter(action__startswith="cred")] == [
        admin_user.pk
    ] * 3


def test_a_large_import_goes_on_in_the_worker_and_its_page_looks_again(
    console, command, monkeypatch
):
    monkeypatch.setattr(imports, "PART_SIZE", 2)
    monkeypatch.setattr(admin_imports, "PART_SIZE", 2)
    lines = "\n".join(f"u{n}@x.example,p" for n in range(5))
    paste(console, PlanFactory(), lines)
    source = CredentialImport.objects.get()
    command(console, address(source, "start"))
    assert Credential.objects.count() == 0
    page = console.get(address(source), {"part": "3"})
    assert (page.headers["Refresh"], len(page.context["verdicts"])) == ("3", 1)
    assert page.context["part_links"] == [(1, False), (2, False), (3, True)]
    continue_imports()
    page = console.get(address(source))
    assert "5 of 5 accounts are in the pool." in page.content.decode()
    assert "Refresh" not in page.headers
    for part in ("0", "9", "x", "٣"):
        assert console.get(address(source), {"part": part}).status_code == 200


def test_a_file_is_read_in_memory(console):
    file = SimpleUploadedFile("a.csv", LINES.replace(",", ";").encode("utf-8-sig"))
    assert paste(console, PlanFactory(), text="", file=file).status_code == 302
    assert CredentialImport.objects.get().good == 2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": ""}, "Paste lines, or choose a file"),
        ({"file": SimpleUploadedFile("a.csv", b"a,b")}, "not both"),
        ({"text": "", "file": SimpleUploadedFile("a.csv", b"\xe9,b")}, "not a text file in UTF-8"),
        ({"text": "", "file": SimpleUploadedFile("a.csv", b"a,b\n" * 700_000)}, "Paste lines, or"),
        ({"text": "login,password,colour\na,b,c"}, "column that is not known"),
        ({"plan": ""}, "This field is required"),
        ({"command_key": "forged"}, "open too long"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_kept(console, fields, sentence):
    answer = paste(console, PlanFactory(), **fields)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert (CredentialImport.objects.count(), ImportPart.objects.count()) == (0, 0)


def test_the_same_form_twice_is_one_import(console):
    plan = PlanFactory()
    key = console.get(ADD).context["key"]
    answers = [paste(console, plan, command_key=key).headers["Location"] for _unused in range(2)]
    assert answers == [address(CredentialImport.objects.get())] * 2


def test_discarded_lines_are_gone(console, command):
    paste(console, PlanFactory())
    source = CredentialImport.objects.get()
    assert command(console, address(source, "discard")).status_code == 302
    assert ImportPart.objects.count() == 0
    assert command(console, address(source, "start")).status_code == 409
    assert console.get(address(source)).status_code == 200


def test_a_look_at_an_account_is_a_post_recorded_and_kept_by_no_cache(
    console, command, admin_user, support
):
    account = add_account(PlanFactory(), login="seen@example.com")
    url = address(account, "reveal")
    assert "seen@example.com" not in console.get(url).content.decode()
    assert Reveal.objects.count() == 0
    assert support.get(url).status_code == 403
    answer = command(console, url)
    assert "seen@example.com" in answer.content.decode()
    assert "s3cret-Pa55" in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert Reveal.objects.get().user_id == admin_user.pk
    page = console.get(address(account)).content.decode()
    assert "credential.reveal" in page
    assert "seen@example.com" not in page


def test_a_new_password_is_told_to_the_holders(console, command):
    plan = PlanFactory()
    account = add_account(plan, seats=3)
    buyers(plan, 2)
    Credential.objects.update(rotation_due=True)
    url = address(account, "password")
    old = command(console, url, new_password="s3cret-Pa55")
    assert old.status_code == 409
    assert list(old.context["form"].errors) == ["new_password"]
    answer = console.get(command(console, url, new_password="n3w-Pa55").headers["Location"])
    assert [str(message) for message in answer.context["messages"]] == [
        "The password is stored; 2 holders were told."
    ]
    account.refresh_from_db()
    assert (account.password, account.pin, account.rotation_due) == ("n3w-Pa55", PIN, False)


def test_a_broken_account_is_retired_and_its_holders_moved(console, command):
    plan = PlanFactory()
    broken = add_account(plan, seats=2)
    first, second = buyers(plan, 2)
    spare = add_account(plan)
    url = address(broken, "retire")
    asked = command(console, url, confirm=False, reason="banned")
    assert "Nobody gets a seat of this account again." in asked.content.decode()
    broken.refresh_from_db()
    assert broken.state == "full"
    done = console.get(command(console, url, reason="banned").headers["Location"])
    assert [str(message) for message in done.context["messages"]] == [
        "Retired. 1 moved to another account, 1 wait for a seat."
    ]
    assert Subscription.objects.get(pk=first.pk).credential_id == spare.pk
    hands = reverse("admin:subscriptions_subscription_changelist") + "?hands=login"
    assert [row.pk for row in console.get(hands).context["cl"].result_list] == [second.pk]


def test_the_pool_shows_the_seats_of_each_plan(console):
    plan = PlanFactory()
    add_account(plan, seats=3)
    buyers(plan, 1)
    page = console.get(reverse("admin:subscriptions_credential_changelist"))
    (row,) = page.context["plan_seats"]
    assert (row.plan, row.free, row.used, row.locked, row.seats) == (plan, 2, 1, 0, 3)
    assert "Import many accounts" in page.content.decode()


def test_a_wrongly_retired_account_is_returned_by_an_admin_only(console, support, command):
    plan = PlanFactory(rotate_after_seat=False)
    account = add_account(plan)
    (holder,) = buyers(plan, 1)
    url = address(account, "reopen")
    offered = [button.url for button in console.get(address(account)).context["document_buttons"]]
    assert url not in offered
    command(console, address(account, "retire"), reason="banned")
    offered = [button.url for button in console.get(address(account)).context["document_buttons"]]
    assert url in offered
    assert (support.get(url).status_code, support.post(url).status_code) == (403, 403)
    asked = command(console, url, confirm=False, reason="wrong one")
    assert "Its free seats are given out again." in asked.content.decode()
    account.refresh_from_db()
    assert account.state == "retired"
    assert command(console, url, reason="wrong one").status_code == 302
    assert Subscription.objects.get(pk=holder.pk).credential_id == account.pk
    assert AuditEvent.objects.get(action="credential.reopen").after["reason"] == "wrong one"
    assert command(console, url, reason="again").status_code == 409


def test_an_account_that_no_key_opens_shuts_no_page_on_which_it_is_mended(console, command):
    plan = PlanFactory()
    account = add_account(plan, seats=2)
    first, _second = buyers(plan, 2)
    Reveal.objects.create(credential=account, user=first.user)
    # Written under a key that was dropped too early.
    foreign = Fernet(Fernet.generate_key()).encrypt(b"lost").decode()
    connection.database["credentials"].update_one(
        {"_id": account.pk}, {"$set": {"login": foreign, "password": foreign, "pin": foreign}}
    )
    for url in (
        reverse("admin:subscriptions_credential_changelist"),
        reverse("admin:subscriptions_reveal_changelist"),
        address(account),
        address(first),
    ):
        assert console.get(url).status_code == 200, url
    add_account(plan)
    seen = str(account.pk)
    assert command(console, address(first, "replace"), reason="x", seen=seen).status_code == 302
    assert command(console, address(account, "retire"), reason="x").status_code == 302
    account = Credential.objects.without_secrets().get(pk=account.pk)
    assert (account.state, account.seats_used) == ("retired", 0)


def test_the_form_of_a_new_account_has_fields_that_can_be_seen_and_full_names_of_plans(console):
    plan = PlanFactory(name="Year")
    form = console.get("/admin/subscriptions/credential/add/").context["adminform"].form
    # Unfold dresses no widget that a form brings itself: without a class there is no border.
    assert [name for name in form.fields if "border" not in form[name].as_widget()] == []
    choices = [str(label) for _key, label in form.fields["plan"].choices]
    assert f"{plan.platform.name} Year" in choices
