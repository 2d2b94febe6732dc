"""Texts in Telegram's HTML, always below its limit of 4096 characters."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from django.conf import settings
from django.contrib.admin.utils import quote
from django.urls import reverse

LONGEST = 4096
LONGEST_LINE = 200


def clipped(text: str, limit: int = LONGEST_LINE) -> str:
    """Return one line of at most `limit` characters, escaped: clipped first, so no tag is cut."""
    line = " ".join(text.split())
    return escape(line if len(line) <= limit else f"{line[: limit - 1]}…")


def console_link(address: str, label: str = "Open in the console") -> str:
    """Return a link to a page of the console."""
    return f'<a href="{escape(settings.SITE_URL + address)}">{escape(label)}</a>'


def document_text(title: str, lines: list[str], document: Any) -> str:
    """Return a title, lines and a link to the document's page in the console."""
    name = document._meta.label_lower.replace(".", "_")
    address = reverse(f"admin:{name}_change", args=[quote(document.pk)])
    head, link = f"<b>{clipped(title)}</b>", console_link(address)
    return "\n".join([head, *fitting(map(clipped, filter(None, lines)), head, link), link])


def fitting(lines: Iterable[str], *others: str) -> Iterator[str]:
    """Yield lines for as long as they and the others together stay below the limit."""
    left = LONGEST - sum(len(other) + 1 for other in others)
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            return
        yield line
