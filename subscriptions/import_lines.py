"""Reading pasted or uploaded lines of accounts, and saying of each what it is.

A line is `login, password, PIN, profile, seats, notes`; from the third on all may be left out.
Nothing here touches the database.
"""

import csv
import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from subscriptions.errors import ImportRefused
from subscriptions.models import MOST_SEATS

MOST_LINES = 20_000
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
COLUMNS = ("login", "password", "pin", "profile", "seats", "notes")
LONGEST = {"login": 254, "password": 200, "pin": 20, "profile": 60, "notes": 200}
# What people write above their columns.
HEADINGS = {
    "login": "login",
    "email": "login",
    "e-mail": "login",
    "username": "login",
    "user": "login",
    "id": "login",
    "password": "password",
    "pass": "password",
    "pin": "pin",
    "profile": "profile",
    "seats": "seats",
    "notes": "notes",
    "note": "notes",
}
LOOKED_AT = 50

OK, DOUBLE_IN_FILE, DOUBLE_IN_POOL = "ok", "file", "pool"
# What is wrong with a line, by the code that is stored for it: the line itself never is.
VERDICTS = {
    OK: gettext_lazy("New: will be added"),
    DOUBLE_IN_FILE: gettext_lazy("The same login stands further up"),
    DOUBLE_IN_POOL: gettext_lazy("Stored already for this platform"),
    "quote": gettext_lazy("A quotation mark is not closed"),
    "few": gettext_lazy("Only one column: the password is missing"),
    "many": gettext_lazy("More columns than there should be"),
    "login": gettext_lazy("The login is missing"),
    "password": gettext_lazy("The password is missing"),
    "seats": gettext_lazy("Seats must be a number from 1 to 100"),
    "long": gettext_lazy("A value is too long"),
    "control": gettext_lazy("A character that cannot be typed"),
}


@dataclass(repr=False)
class Account:
    """What one good line says; it has no repr, so that no log shows it."""

    login: str
    password: str
    pin: str = ""
    profile: str = ""
    notes: str = ""
    seats: int = 1

    def values(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(repr=False)
class Line:
    """One line that is not empty: its number in the file, and an account or what is wrong."""

    number: int
    verdict: str = OK
    account: Account | None = field(default=None)


def decode(data: bytes) -> str:
    """Return the text of a file as spreadsheets save it.

    Raises:
        ImportRefused: it is neither UTF-8 nor UTF-16, or no text.
    """
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ImportRefused(
            _("This is not a text file in UTF-8. Save it as “CSV UTF-8” and try again.")
        ) from None


def read_lines(text: str, *, separator: str = "") -> list[Line]:
    """Return every line that is not empty, in order.

    Args:
        separator: a name of SEPARATORS; empty detects it.

    Raises:
        ImportRefused: there are no lines, too many, or a heading that is not known.
    """
    rows = [
        (number, line)
        for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1)
        if line.strip()
    ]
    if not rows:
        raise ImportRefused(_("There is no line to import."))
    delimiter = SEPARATORS.get(separator) or _detect([line for _number, line in rows[:LOOKED_AT]])
    columns = _heading(_split(rows[0][1], delimiter))
    if columns:
        rows = rows[1:]
    if len(rows) > MOST_LINES:
        raise ImportRefused(
            _("These are %(count)d lines. Import at most %(most)d at a time.")
            % {"count": len(rows), "most": MOST_LINES}
        )
    if not rows:
        raise ImportRefused(_("There is no line below the heading."))
    return [_read(number, line, delimiter, columns or COLUMNS) for number, line in rows]


def _detect(lines: list[str]) -> str:
    """Return the separator with which most lines have one and the same number of columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        counts = Counter(len(_split(line, delimiter) or [""]) for line in lines)
        columns, agreeing = max(
            ((columns, count) for columns, count in counts.items() if columns > 1),
            key=lambda pair: pair[1],
            default=(1, 0),
        )
        return agreeing if columns <= len(COLUMNS) else 0, columns

    return max(("\t", ";", ","), key=fit)


def _split(line: str, delimiter: str) -> list[str] | None:
    """Return the cells of one line; None if a quotation mark in it is not closed.

    Each line is read by itself: a password that begins with a quotation mark must not swallow the
    lines below it.
    """
    try:
        reader = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
        return [cell.strip() for cell in next(reader)]
    except csv.Error:
        return None


def _heading(cells: list[str] | None) -> tuple[str, ...]:
    """Return the columns that the first line names; empty if it is an account."""
    names = [cell.casefold() for cell in cells or []]
    known = [HEADINGS.get(name, "") for name in names]
    if "login" not in known or "password" not in known:
        return ()
    if "" in known or len(set(known)) != len(known):
        raise ImportRefused(
            _("The heading has a column that is not known, or one twice. Known are: %s.")
            % ", ".join(COLUMNS)
        )
    return tuple(known)


def _read(number: int, line: str, delimiter: str, columns: tuple[str, ...]) -> Line:
    cells = _split(line, delimiter)
    if cells is None:
        return Line(number, "quote")
    while len(cells) > len(columns) and not cells[-1]:
        cells.pop()
    if len(cells) < 2:
        return Line(number, "few")
    if len(cells) > len(columns):
        return Line(number, "many")
    values = dict(zip(columns, cells, strict=False))
    verdict = _wrong(values)
    if verdict != OK:
        return Line(number, verdict)
    seats = int(values.pop("seats", "") or 1)
    return Line(number, OK, Account(**values, seats=seats))


def _wrong(values: dict[str, str]) -> str:
    for name in ("login", "password"):
        if not values.get(name):
            return name
    if any(len(values.get(name, "")) > longest for name, longest in LONGEST.items()):
        return "long"
    if any(unicodedata.category(letter) == "Cc" for value in values.values() for letter in value):
        return "control"
    seats = values.get("seats", "")
    if seats and not (seats.isascii() and seats.isdigit() and 1 <= int(seats[:9]) <= MOST_SEATS):
        return "seats"
    return OK
