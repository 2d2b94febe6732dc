"""Many accounts at once: every line judged, nothing in clear, nothing written twice."""

import logging
import threading

import pytest
from django.db import IntegrityError, connection

from orders.books import check_books
from orders.services import deliver_waiting_orders
from ottsonly import jobs
from ottsonly.encryption import WrongKey
from ottsonly.models import AuditEvent
from subscriptions import imports
from subscriptions.errors import ImportRefused
from subscriptions.import_lines import decode, read_lines
from subscriptions.imports import (
    check_import,
    continue_imports,
    discard_import,
    start_import,
    write_parts,
    written_by,
)
from subscriptions.models import Credential, CredentialImport, ImportPart, Subscription
from tests.factories import AdminFactory, CustomerFactory, PlanFactory, add_account, buy, give_money

pytestmark = pytest.mark.django_db


def verdicts(text, **kwargs):
    return [(line.number, line.verdict) for line in read_lines(text, **kwargs)]


def numbered(count, start=0):
    return "\n".join(f"user{n}@x.example,pw-{n},{n:04d}" for n in range(start, start + count))


def make_import(plan, text, key="k", actor=None):
    return check_import(plan=plan, text=text, actor=actor or AdminFactory(), key=key)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_and_the_heading_is_not_an_account(separator):
    rows = [
        ["login", "password", "PIN", "profile", "seats", "notes"],
        ["a@x.example", "p,a;ss" if separator == "\t" else "pass", "1234", "Kids", "4", "new"],
        ["b@x.example", "pass2"],
    ]
    text = "\ufeff" + "\r\n".join(separator.join(row) for row in rows) + "\r\n\r\n"
    first, second = read_lines(text)
    assert first.account.values() == {
        "login": "a@x.example",
        "password": rows[1][1],
        "pin": "1234",
        "profile": "Kids",
        "notes": "new",
        "seats": 4,
    }
    assert (second.number, second.account.seats, second.account.pin) == (3, 1, "")


def test_columns_may_stand_in_another_order_below_a_heading():
    (line,) = read_lines("Password;Email;Seats\nsecret;a@x.example;2")
    assert (line.account.login, line.account.password, line.account.seats) == (
        "a@x.example",
        "secret",
        2,
    )


def test_a_separator_can_be_told_where_passwords_hold_others():
    text = "a@x.example;p,1;2\nb@x.example;p,2;3"
    assert [line.account.password for line in read_lines(text)] == ["p,1", "p,2"]
    (line,) = read_lines("a@x.example,p;1,2", separator="comma")
    assert line.account.password == "p;1"


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("only-one", "few"),
        (",password", "login"),
        ("a@x.example,", "password"),
        ('a@x.example,"open', "quote"),
        ("a@x.example,p,1,prof,0,n", "seats"),
        ("a@x.example,p,1,prof,101,n", "seats"),
        ("a@x.example,p,1,prof,two,n", "seats"),
        ("a@x.example,p,1,prof,٣,n", "seats"),
        ("a@x.example,p,1,prof,1,n,more", "many"),
        ("a@x.example," + "p" * 201, "long"),
        ("a@x.example,p\x00w", "control"),
        ("a@x.example,p,1,prof,1,n,,", "ok"),
    ],
)
def test_a_bad_line_says_what_is_wrong_and_spoils_no_other(line, verdict):
    text = f"first@x.example,p\n{line}\nlast@x.example,p"
    assert verdicts(text, separator="comma") == [(1, "ok"), (2, verdict), (3, "ok")]


@pytest.mark.parametrize("text", ["", " \n\t\n", "login,password", "login,password,login\na,b,c"])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(ImportRefused):
        read_lines(text)


def test_a_file_is_read_as_spreadsheets_save_it():
    assert decode("é,ü".encode("utf-8-sig")) == decode("é,ü".encode("utf-16")) == "é,ü"
    with pytest.raises(ImportRefused):
        decode("é".encode("latin-1"))


def test_the_dry_run_judges_each_line_and_writes_nothing_into_the_pool(raw_client):
    plan = PlanFactory()
    add_account(PlanFactory(platform=plan.platform), login="Stored@x.example")
    text = "new@x.example,pw-secret\nbad\nNEW@x.example,other-secret\nstored@x.example,p"
    source = make_import(plan, text)
    assert (source.lines, source.good, source.bad) == (4, 1, 1)
    assert (source.doubled_in_file, source.doubled_in_pool) == (1, 1)
    part = ImportPart.objects.get()
    assert part.verdicts == [[1, "ok"], [2, "few"], [3, "file"], [4, "pool"]]
    assert Credential.objects.count() == 1
    # The same form once more is the same import; a new one is another.
    assert make_import(plan, text).pk == source.pk
    assert (CredentialImport.objects.count(), ImportPart.objects.count()) == (1, 1)
    # Gone back to and corrected, it is not answered with the lines of before.
    assert make_import(plan, text.replace("pw-secret", "pw-mended")).pk != source.pk
    assert make_import(PlanFactory(), text).pk != source.pk
    assert CredentialImport.objects.count() == 3


def test_nothing_of_a_line_ever_lies_in_clear(raw_client, caplog):
    caplog.set_level(logging.DEBUG)
    plan = PlanFactory()
    text = "clear-login@x.example,clear-password,clear-pin,profile,1,\nbad-clear-login\n,clear-lone"
    source = make_import(plan, text)

    def everything() -> str:
        database = raw_client[connection.settings_dict["NAME"]]
        return str([list(database[name].find()) for name in database.list_collection_names()])

    assert "clear-" not in everything()
    start_import(source=source, actor=None)
    assert write_parts(source=source) is True
    account = Credential.objects.get()
    assert (account.login, account.password) == ("clear-login@x.example", "clear-password")
    assert "clear-" not in everything()
    assert "clear-" not in caplog.text
    assert "clear-" not in repr(read_lines(text))
    part = ImportPart.objects.get()
    assert (part.payload, part.written) == ("", 1)


def test_an_import_is_written_in_parts_and_leaves_its_trace(monkeypatch):
    monkeypatch.setattr(imports, "PART_SIZE", 4)
    plan, admin = PlanFactory(), AdminFactory()
    source = make_import(plan, numbered(10), actor=admin)
    assert list(ImportPart.objects.order_by("number").values_list("size", flat=True)) == [4, 4, 2]
    for _unused in range(2):
        start_import(source=source, actor=admin)
    continue_imports()
    source.refresh_from_db()
    assert (source.state, written_by(source)) == ("done", 10)
    assert Credential.objects.filter(imported_by=source, plan=plan).count() == 10
    events = AuditEvent.objects.filter(object_id=str(source.pk)).order_by("created_at")
    assert [event.action.split(".")[1] for event in events] == ["check", "start", "finish"]
    assert {event.actor_id for event in events} == {admin.pk}
    assert list(check_books()) == []


def test_an_import_that_broke_off_goes_on_with_what_is_missing(monkeypatch):
    monkeypatch.setattr(imports, "PART_SIZE", 4)
    source = make_import(PlanFactory(), numbered(10))
    start_import(source=source, actor=None)
    allowed = iter([True, False])
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "may_continue", lambda: next(allowed))
        assert write_parts(source=source) is False
    first = set(Credential.objects.values_list("pk", flat=True))
    assert len(first) == 4
    assert write_parts(source=source) is True
    assert Credential.objects.count() == 10
    assert first <= set(Credential.objects.values_list("pk", flat=True))
    assert write_parts(source=source) is True
    assert Credential.objects.count() == 10


def test_a_part_that_dies_in_the_middle_leaves_nothing_behind(monkeypatch):
    source = make_import(PlanFactory(), numbered(5))
    start_import(source=source, actor=None)

    def die(self, *args, **kwargs):
        assert Credential.objects.count() == 5
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ImportPart, "save", die)
        with pytest.raises(KeyboardInterrupt):
            write_parts(source=source)
    assert Credential.objects.count() == 0
    assert write_parts(source=source) is True
    assert Credential.objects.count() == 5


def test_a_login_stored_since_the_dry_run_is_left_out_and_the_rest_is_written():
    plan = PlanFactory()
    source = make_import(plan, numbered(3))
    mine = add_account(plan, login="user1@x.example")
    start_import(source=source, actor=None)
    assert write_parts(source=source) is True
    assert (Credential.objects.count(), written_by(source)) == (3, 2)
    mine.refresh_from_db()
    assert (mine.password, mine.imported_by_id) == ("s3cret-Pa55", None)


def test_two_workers_and_two_imports_of_the_same_lines_store_each_once(
    transactional_db, monkeypatch
):
    monkeypatch.setattr(imports, "PART_SIZE", 5)
    plan = PlanFactory()
    sources = [make_import(plan, numbered(15), key=key) for key in ("a", "b")]
    for source in sources:
        start_import(source=source, actor=None)
    errors = []

    def work(source):
        try:
            write_parts(source=source)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(source,)) for source in sources * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    continue_imports()
    assert Credential.objects.count() == 15
    assert sum(written_by(source) for source in sources) == 15
    assert set(CredentialImport.objects.values_list("state", flat=True)) == {"done"}


def test_without_the_unique_fingerprint_the_double_would_be_stored(monkeypatch):
    """The negative control: the guard of the test above is the index, not luck."""
    plan = PlanFactory()
    sources = [make_import(plan, numbered(1), key=key) for key in ("a", "b")]
    monkeypatch.setattr(imports, "_stored", lambda platform_id: [])
    for source in sources:
        start_import(source=source, actor=None)
    write_parts(source=sources[0])
    with pytest.raises(IntegrityError):
        write_parts(source=sources[1])
    assert Credential.objects.count() == 1


def test_new_seats_go_to_who_waits_longest():
    plan = PlanFactory()
    orders = []
    for _unused in range(3):
        user = CustomerFactory()
        give_money(user, 500_00)
        orders.append(buy(user, plan))
    source = make_import(plan, "a@x.example,p,,,2")
    start_import(source=source, actor=None)
    write_parts(source=source)
    assert deliver_waiting_orders() == 2
    held = Subscription.objects.filter(holds_seat=True).values_list("pk", flat=True)
    assert set(held) == {order.subscription_id for order in orders[:2]}


def test_what_nobody_starts_is_forgotten_after_a_day(monkeypatch):
    source = make_import(PlanFactory(), numbered(2))
    continue_imports()
    assert ImportPart.objects.count() == 1
    monkeypatch.setattr(imports, "KEPT_UNSTARTED", imports.timedelta(seconds=-1))
    continue_imports()
    source.refresh_from_db()
    assert (source.state, ImportPart.objects.count()) == ("discarded", 0)
    with pytest.raises(ImportRefused):
        start_import(source=source, actor=None)
    assert Credential.objects.count() == 0


def test_a_started_import_is_not_discarded_and_an_empty_one_not_started():
    plan = PlanFactory()
    empty = make_import(plan, "bad", key="empty")
    with pytest.raises(ImportRefused):
        start_import(source=empty, actor=None)
    source = make_import(plan, numbered(2))
    start_import(source=source, actor=None)
    with pytest.raises(ImportRefused):
        discard_import(source=source, actor=None)
    source.refresh_from_db()
    assert (source.state, ImportPart.objects.filter(source=source).count()) == ("running", 1)


@pytest.mark.parametrize("lines", [1_500, pytest.param(10_000, marks=pytest.mark.deep)])
def test_thousands_of_lines_are_checked_and_written(lines):
    source = make_import(PlanFactory(), numbered(lines))
    assert (source.good, ImportPart.objects.count()) == (lines, lines // 500)
    start_import(source=source, actor=None)
    assert write_parts(source=source) is True
    assert Credential.objects.count() == lines


def test_one_import_that_cannot_be_read_does_not_hold_up_the_next():
    broken = make_import(PlanFactory(), numbered(2), key="broken")
    good = make_import(PlanFactory(), numbered(3), key="good")
    for source in (broken, good):
        start_import(source=source, actor=None)
    connection.database["credential_import_parts"].update_one(
        {"source_id": broken.pk}, {"$set": {"payload": "no ciphertext"}}
    )
    # The job fails, so that somebody is told.
    with pytest.raises(WrongKey):
        continue_imports()
    states = CredentialImport.objects.order_by("created_at").values_list("state", flat=True)
    assert list(states) == ["running", "done"]
    assert Credential.objects.filter(plan=good.plan).count() == 3
