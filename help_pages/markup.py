"""A small markup for help pages: everything is escaped, and only what is listed here is HTML.

    ## Heading        ### Smaller heading        - point of a list
    **strong**        [words](/help/faq/)        an empty line ends a paragraph

Links lead into the shop, to https or to mailto. `{email}` and the like stand for what the shop is
set up with; a paragraph or point that names something that is not set is left out, and so is a
heading with nothing below it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

_FACT = re.compile(r"\{([a-z_]+)\}")
_STRONG = re.compile(r"\*\*(.+?)\*\*")
_LINK = re.compile(r"\[([^\[\]]+)\]\(([^()\s]+)\)")
_ADDRESS = re.compile(r"/(?![/\\])\S*|https://\S+|mailto:\S+")


@dataclass(frozen=True)
class Block:
    """A heading (level 2 or 3), a paragraph (0) or a point of a list (1)."""

    level: int
    text: str


def render_markup(text: str, facts: Mapping[str, str]) -> SafeString:
    """Return the HTML of `text`.

    Args:
        facts: what the names in braces stand for; an empty value leaves its paragraph out.
    """
    parts: list[str] = []
    in_list = False
    for block in _with_content(_told(_blocks(text), facts)):
        if (block.level == 1) != in_list:
            in_list = not in_list
            parts.append("<ul>" if in_list else "</ul>")
        parts.append(_html(block))
    if in_list:
        parts.append("</ul>")
    # Escaped piece by piece in _html and _inline.
    return mark_safe("\n".join(parts))  # noqa: S308


def _blocks(text: str) -> list[Block]:
    blocks: list[Block] = []
    open_block = False
    for raw in text.replace("\r\n", "\n").split("\n"):
        line = raw.strip()
        level = 3 if line.startswith("### ") else 2 if line.startswith("## ") else 0
        if level:
            blocks.append(Block(level, line.lstrip("#").strip()))
        elif line.startswith("- "):
            blocks.append(Block(1, line[2:].strip()))
        elif line and open_block:
            blocks[-1] = Block(blocks[-1].level, f"{blocks[-1].text} {line}")
        elif line:
            blocks.append(Block(0, line))
        open_block = bool(line) and not level
    return blocks


def _told(blocks: list[Block], facts: Mapping[str, str]) -> list[Block]:
    """Put the facts in; leave out what names one that is not set."""
    told = []
    for block in blocks:
        names = [name for name in _FACT.findall(block.text) if name in facts]
        if all(facts[name] for name in names):
            text = _FACT.sub(lambda match: facts.get(match[1], match[0]), block.text)
            told.append(Block(block.level, text))
    return told


def _with_content(blocks: list[Block]) -> list[Block]:
    """Leave out headings that nothing, or only a heading of the same or a higher rank, follows."""
    kept: list[Block] = []
    following = 2
    for block in reversed(blocks):
        is_heading = block.level >= 2
        if not is_heading or following < 2 or following > block.level:
            kept.append(block)
            following = block.level
    return kept[::-1]


def _html(block: Block) -> str:
    if block.level >= 2:
        tag = f"h{block.level}"
        return f'<{tag} id="{slugify(block.text)}">{_inline(block.text)}</{tag}>'
    tag = "li" if block.level == 1 else "p"
    return f"<{tag}>{_inline(block.text)}</{tag}>"


def _inline(text: str) -> str:
    return _LINK.sub(_link, _STRONG.sub(r"<strong>\1</strong>", escape(text)))


def _link(match: re.Match[str]) -> str:
    words, address = match.groups()
    if not _ADDRESS.fullmatch(address):
        return match[0]
    return f'<a href="{address}">{words}</a>'
