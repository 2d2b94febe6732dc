"""Reading and rewriting help pages."""

from typing import Any

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from help_pages.errors import EditedMeanwhile
from help_pages.models import HelpPage
from help_pages.shipped import SHIPPED
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction


def find_page(slug: str) -> HelpPage | None:
    """Return a page, as shipped where the database has none; None for a slug that is none."""
    if slug not in SHIPPED:
        return None
    page = HelpPage.objects.filter(slug=slug).first()
    return page or HelpPage(slug=slug, position=list(SHIPPED).index(slug))


def all_pages() -> list[HelpPage]:
    """Return every page in its order."""
    stored = {page.slug: page for page in HelpPage.objects.all()}
    pages = [
        stored.get(slug) or HelpPage(slug=slug, position=position)
        for position, slug in enumerate(SHIPPED)
    ]
    return sorted(pages, key=lambda page: page.position)


def edit_page(
    *, page: HelpPage, title: str, body: str, position: int, version: int, actor: Any
) -> None:
    """Save an operator's words.

    Args:
        title, body: an empty one brings the shipped text back.
        position: place among the pages.
        version: of the page as the operator saw it.

    Raises:
        EditedMeanwhile: somebody else saved it since; nothing was changed.
    """
    shipped = SHIPPED[page.slug]
    # Saving the shipped words unchanged keeps the page on them when a later version betters them.
    title = "" if title == shipped.title else title
    body = "" if body == shipped.body else body

    def work() -> None:
        before = HelpPage.objects.get(pk=page.pk)
        saved = HelpPage.objects.filter(pk=page.pk, version=version).update(
            title=title,
            body=body,
            position=position,
            version=F("version") + 1,
            updated_at=timezone.now(),
            updated_by_id=actor.pk,
        )
        if saved != 1:
            raise EditedMeanwhile(
                _("Somebody else saved this page meanwhile. Look at their words before yours.")
            )
        record_event(
            actor=actor,
            action="help_page.edit",
            target=page,
            before={"title": before.title, "body": before.body, "position": before.position},
            after={"title": title, "body": body, "position": position},
        )

    in_transaction(work)
    page.refresh_from_db()
