"""Rows as the lines of a CSV file, one by one, so that a file of any size can be streamed."""

import csv
from collections.abc import Iterable, Iterator

# Without it Excel takes UTF-8 for the machine's old code page.
BYTE_ORDER_MARK = "\ufeff"


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield the mark by which spreadsheets know UTF-8, then each row as a line."""
    writer = csv.writer(_Echo())
    yield BYTE_ORDER_MARK
    for row in rows:
        yield writer.writerow(row)
