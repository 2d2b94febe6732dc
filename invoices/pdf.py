"""A paper as PDF: one A5 sheet, drawn like the shop's tickets.

fpdf2 shapes complex scripts only with a library that the shop does not carry, so Devanagari is
set letter by letter: `arrange` puts the one vowel sign that is written before its consonant in its
place, and conjuncts show their virama. Names stay legible; they are not set as a printer would.
A name in a script that the faces do not have is left out: the phone below it names the customer.
"""

import re
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont

from invoices.papers import Paper

FONTS = Path(__file__).resolve().parent / "fonts"
INK, QUIET, RULE = (33, 26, 20), (94, 83, 71), (217, 204, 180)
NIGHT, NIGHT_INK, MARIGOLD, SHEET = (33, 24, 20), (248, 238, 219), (246, 171, 12), (255, 253, 246)
WIDTH, HEIGHT, MARGIN = 148.0, 210.0, 14.0
INNER = WIDTH - 2 * MARGIN
# The short i is stored after its consonant and written before it.
_SHORT_I = re.compile("([\u0915-\u0939\u0958-\u095f]\u093c?)\u093f")


def arrange(text: str) -> str:
    """Return `text` in the order in which its letters are drawn."""
    return _SHORT_I.sub("\u093f\\1", text)


class _Sheet(FPDF):
    """A5, with the faces of the shop; too long a paper goes on on a second sheet."""

    def __init__(self) -> None:
        super().__init__(format=(WIDTH, HEIGHT))
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(True, MARGIN)
        self.c_margin = 0
        for style, name in (("", "regular"), ("B", "bold")):
            self.add_font("Anek", style, FONTS / f"anek-{name}.ttf")
            self.add_font("Devanagari", style, FONTS / f"devanagari-{name}.ttf")
        self.set_fallback_fonts(["Devanagari"])

    def header(self) -> None:
        self.set_fill_color(*SHEET)
        self.rect(0, 0, WIDTH, HEIGHT, style="F")

    def can_write(self, text: str) -> bool:
        """Say whether the faces have every letter of `text`."""
        faces = [face.cmap for face in self.fonts.values() if isinstance(face, TTFFont)]
        return all(any(ord(letter) in known for known in faces) for letter in text)

    def write_line(
        self, text: str, size: float, *, bold: bool = False, quiet: bool = False
    ) -> None:
        self.set_font("Anek", "B" if bold else "", size)
        self.set_text_color(*(QUIET if quiet else INK))
        self.multi_cell(
            INNER, size * 0.47, arrange(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L"
        )

    def pair(self, left: str, right: str, size: float, *, bold: bool = False) -> None:
        """Write what on the left, which may wrap, and how much on the right."""
        self.set_font("Anek", "B" if bold else "", size)
        self.set_text_color(*INK)
        height = size * 0.5
        wide = min(self.get_string_width(right) + 3, INNER * 0.6)
        top = self.get_y()
        self.multi_cell(INNER - wide, height, arrange(left), align="L", new_y=YPos.NEXT)
        bottom = self.get_y()
        self.set_xy(MARGIN + INNER - wide, top)
        self.multi_cell(wide, height, arrange(right), align="R", new_y=YPos.NEXT)
        self.set_xy(MARGIN, max(bottom, self.get_y()))

    def rule(self, *, dotted: bool = False, double: bool = False) -> None:
        self.ln(1.6)
        y = self.get_y()
        self.set_draw_color(*(INK if double else RULE))
        self.set_line_width(0.25)
        if dotted:
            self.set_dash_pattern(dash=0.6, gap=1.4)
        self.line(MARGIN, y, MARGIN + INNER, y)
        if double:
            self.line(MARGIN, y + 0.8, MARGIN + INNER, y + 0.8)
        self.set_dash_pattern()
        self.ln(2.2)


def render_pdf(paper: Paper) -> bytes:
    """Return the paper as a PDF file; the same paper gives the same bytes."""
    sheet = _Sheet()
    sheet.set_title(f"{paper.title} {paper.number}")
    sheet.set_author(paper.seller[0])
    sheet.set_lang("en-IN")
    sheet.set_creation_date(paper.issued_at)
    sheet.add_page()
    _head(sheet, paper)
    for label, people in ((_("From"), paper.seller), (_("To"), paper.buyer)):
        sheet.write_line(label, 9, quiet=True)
        # A name in a script that no face has would be a row of empty boxes.
        for place, text in enumerate(filter(sheet.can_write, people)):
            sheet.write_line(text, 11 if place == 0 else 9.5, bold=place == 0)
        sheet.ln(2.2)
    sheet.rule(dotted=True)
    for label, value in paper.facts:
        sheet.pair(label, value, 9.5)
        sheet.ln(0.9)
    sheet.rule(dotted=True)
    for line in paper.lines:
        sheet.pair(line.label, line.amount, 11)
        sheet.ln(1.1)
    sheet.rule()
    sheet.pair(paper.total.label, paper.total.amount, 15, bold=True)
    sheet.rule(double=True)
    for note in paper.notes:
        sheet.write_line(note, 9, quiet=True)
        sheet.ln(1)
    return bytes(sheet.output())


def _head(sheet: _Sheet, paper: Paper) -> None:
    """The stub: a dark band with the shop's name, then title and number."""
    sheet.set_fill_color(*NIGHT)
    sheet.rect(0, 0, WIDTH, 21, style="F")
    sheet.set_fill_color(*MARIGOLD)
    sheet.rect(0, 21, WIDTH, 1.6, style="F")
    sheet.set_fill_color(*SHEET)
    for x in range(4, int(WIDTH), 8):
        sheet.ellipse(x - 1.2, 2.2, 2.4, 2.4, style="F")
    sheet.set_xy(MARGIN, 9)
    sheet.set_font("Anek", "B", 17)
    sheet.set_text_color(*NIGHT_INK)
    sheet.cell(INNER, 8, settings.SHOP_NAME)
    sheet.set_xy(MARGIN, 28)
    sheet.write_line(paper.title, 21, bold=True)
    sheet.ln(1)
    sheet.write_line(f"{paper.number}, {paper.date_text}", 11)
    sheet.rule(dotted=True)
