"""The pages of the notices through the client: mine only, paged, counted."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from notifications.models import Notification
from tests.factories import CustomerFactory, SupportFactory

pytestmark = pytest.mark.django_db


def make_notices(user, count: int) -> list[Notification]:
    """Write "note 0" (oldest) to "note <count-1>", a minute apart."""
    start = timezone.now() - timedelta(hours=2)
    return [
        Notification.objects.create(
            user=user,
            kind=Notification.Kind.NOTICE,
            title=f"note {number}",
            link="/plans/",
            created_at=start + timedelta(minutes=number),
        )
        for number in range(count)
    ]


def titles(page) -> list[str]:
    return [item.title for item in page.context["items"]]


def test_the_list_shows_mine_newest_first_and_an_empty_page_to_others(customer, client_for):
    make_notices(customer, 3)
    page = client_for(customer).get("/notifications/")
    assert titles(page) == ["note 2", "note 1", "note 0"]
    assert page.context["header"].unread_count == 3
    assert b"Mark all 3 as read" in page.content
    assert page.context["older_url"] == page.context["newer_url"] == ""
    other = client_for(CustomerFactory()).get("/notifications/")
    assert titles(other) == []
    assert b"Nothing to read" in other.content


def test_twenty_on_a_page_each_once_also_while_new_ones_come(customer, client_for):
    make_notices(customer, 45)
    client = client_for(customer)
    first = client.get("/notifications/")
    Notification.objects.create(user=customer, kind="notice", title="new one")
    second = client.get("/notifications/" + first.context["older_url"])
    third = client.get("/notifications/" + second.context["older_url"])
    seen = titles(first) + titles(second) + titles(third)
    assert seen == [f"note {number}" for number in reversed(range(45))]
    assert [len(titles(page)) for page in (first, second, third)] == [20, 20, 5]
    assert third.context["older_url"] == ""
    back = client.get("/notifications/" + third.context["newer_url"])
    assert titles(back) == titles(second)


def test_notices_of_one_instant_are_on_one_page_each(customer, client_for):
    now = timezone.now()
    for number in range(50):
        Notification.objects.create(
            user=customer, kind="notice", title=f"note {number}", created_at=now
        )
    client, seen, url = client_for(customer), [], ""
    for _unused in range(3):
        page = client.get(f"/notifications/{url}")
        seen += titles(page)
        url = page.context["older_url"]
    assert (url, sorted(seen)) == ("", sorted(f"note {number}" for number in range(50)))
    back = client.get("/notifications/" + page.context["newer_url"])
    assert titles(back) == seen[20:40]


@pytest.mark.parametrize(
    "edge", ["nonsense", "1-x", "99999999999999999999-" + "a" * 24, "٣-" + "a" * 24, "a" * 24]
)
def test_a_page_that_is_nonsense_is_the_first_page(customer, client_for, edge):
    make_notices(customer, 1)
    for name in ("before", "after"):
        page = client_for(customer).get("/notifications/", {name: edge})
        assert titles(page) == ["note 0"]


@pytest.mark.parametrize("count", [0, 3, 25])
def test_a_list_takes_five_commands_however_long(customer, client_for, commands, count):
    make_notices(customer, count)
    client = client_for(customer)
    client.get("/notifications/")
    commands.clear()
    page = client.get("/notifications/")
    assert len(titles(page)) == min(count, 20)
    # Session, user, balance, unread, the page itself.
    assert [command.split()[1] for command in commands] == [
        "sessions",
        "users",
        "notifications",
        "wallets",
        "notifications",
    ]


def test_the_bell_stops_counting_at_ninety_nine(customer, client_for):
    Notification.objects.bulk_create(
        [Notification(user=customer, kind="notice", title="x") for _unused in range(101)]
    )
    client = client_for(customer)
    page = client.get("/plans/")
    assert (page.context["header"].unread_count, page.context["header"].unread_text) == (100, "99+")
    Notification.objects.filter(
        pk__in=list(Notification.objects.values_list("pk", flat=True)[:2])
    ).delete()
    assert client.get("/plans/").context["header"].unread_text == "99"


def test_opening_marks_one_read_and_goes_where_it_points(customer, client_for):
    first, second = make_notices(customer, 2)
    client = client_for(customer)
    answer = client.post(first.open_url)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/plans/")
    first.refresh_from_db()
    read_at = first.read_at
    assert read_at is not None
    client.post(first.open_url)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.read_at, second.read_at) == (read_at, None)
    assert client.get("/notifications/").context["header"].unread_count == 1


def test_a_notice_without_a_link_goes_back_to_the_list(customer, client_for):
    note = Notification.objects.create(user=customer, kind="notice", title="plain")
    assert client_for(customer).post(note.open_url).headers["Location"] == "/notifications/"


def test_reading_all_reads_mine_and_nobody_elses(customer, client_for):
    other = CustomerFactory()
    make_notices(customer, 3)
    make_notices(other, 2)
    answer = client_for(customer).post("/notifications/read/")
    assert answer.headers["Location"] == "/notifications/"
    assert Notification.objects.for_user(customer).unread().count() == 0
    assert Notification.objects.for_user(other).unread().count() == 2


def test_deleting_deletes_one(customer, client_for):
    first, second = make_notices(customer, 2)
    assert client_for(customer).post(first.delete_url).status_code == 302
    assert list(Notification.objects.values_list("pk", flat=True)) == [second.pk]


def test_the_second_click_on_delete_deletes_nothing_more_and_stays_on_the_page(
    customer, client_for
):
    notices = make_notices(customer, 22)
    client = client_for(customer)
    url = client.get("/notifications/").context["older_url"]
    place = {"before": url.removeprefix("?before=")}
    for said in ("The notice was deleted.", "The notice was deleted already."):
        answer = client.post(notices[0].delete_url, place)
        assert answer.headers["Location"] == f"/notifications/{url}"
        page = client.get(answer.headers["Location"])
        assert [str(message) for message in page.context["messages"]] == [said]
        assert titles(page) == ["note 1"]
    client.post(notices[1].delete_url, place)
    page = client.get(f"/notifications/{url}")
    assert (titles(page), page.context["newer_url"]) == ([], "")
    assert b"Nothing older" in page.content
    assert Notification.objects.count() == 20


def test_a_notice_that_came_after_the_page_was_shown_stays_unread(customer, client_for):
    make_notices(customer, 2)
    client = client_for(customer)
    page = client.get("/notifications/")
    late = Notification.objects.create(
        user=customer, kind="notice", title="late", created_at=timezone.now() + timedelta(seconds=1)
    )
    shown = {"seen_until": page.context["seen_until"]}
    for _unused in range(2):
        client.post("/notifications/read/", shown)
        assert list(Notification.objects.unread().values_list("pk", flat=True)) == [late.pk]
    edges = ("0001-01-01T00:00:00+05:30", "9999-12-31T23:59:59-05:30")
    for nonsense in ("yesterday", "2026-13-45T00:00", "2026-01-01T00:00", *edges):
        Notification.objects.update(read_at=None)
        client.post("/notifications/read/", {"seen_until": nonsense})
        assert Notification.objects.unread().count() == 0


@pytest.mark.parametrize("address", ["open_url", "delete_url"])
def test_another_customers_notice_is_not_found_and_unchanged(customer, client_for, address):
    (note,) = make_notices(customer, 1)
    stranger = client_for(CustomerFactory())
    assert stranger.post(getattr(note, address)).status_code == 404
    note.refresh_from_db()
    assert note.read_at is None


def test_a_notice_that_never_was_is_not_found(customer, client_for):
    client = client_for(customer)
    gone = "/notifications/6a0000000000000000000000"
    assert client.post(f"{gone}/open/").status_code == 404
    assert client.post(f"{gone}/delete/").headers["Location"] == "/notifications/"
    assert client.post("/notifications/nonsense/open/").status_code == 404


def test_reading_a_page_changes_nothing(customer, client_for):
    (note,) = make_notices(customer, 1)
    client = client_for(customer)
    for address in (note.open_url, note.delete_url, "/notifications/read/"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert "Only a button leads here" in answer.content.decode()
    client.get("/notifications/")
    note.refresh_from_db()
    assert note.read_at is None


def test_strangers_log_in_and_staff_are_refused(customer, client_for):
    (note,) = make_notices(customer, 1)
    for address in ("/notifications/read/", note.open_url, note.delete_url):
        answer = Client().post(address)
        assert answer.headers["Location"] == f"/login/?next={address}"
        # The log-in ended with the page open: it leads back to that page, and to no other shop's.
        answer = Client().post(address, headers={"referer": "http://testserver/notifications/?x=1"})
        assert answer.headers["Location"] == "/login/?next=/notifications/%3Fx%3D1"
        for elsewhere in ("http://elsewhere.example/", "http://[", "//testserver//evil.example/"):
            answer = Client().post(address, headers={"referer": elsewhere})
            assert answer.headers["Location"] == f"/login/?next={address}"
        assert client_for(SupportFactory()).post(address).status_code == 403
    assert client_for(SupportFactory()).get("/notifications/").status_code == 403
    note.refresh_from_db()
    assert note.read_at is None


def test_the_header_asks_the_database_for_strangers_nothing(db, commands):
    page = Client().get("/login/")
    assert (page.context["header"].unread_count, page.context["header"].balance_paise) == (0, None)
    assert not [command for command in commands if "notifications" in command]
