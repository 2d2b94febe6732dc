"""The words of a PDF as fpdf2 writes them: what a reader copies, without a tool of its own."""

import re
import zlib

_OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)\nendobj", re.S)
_STREAM = re.compile(rb"stream\n(.*)\nendstream", re.S)
# A text block, a choice of font, a string that is shown.
_TOKEN = re.compile(rb"\bBT\b|/(F\d+) [\d.]+ Tf|\(((?:[^\\()]|\\.)*)\)", re.S)
_ESCAPES = {b"\\r": b"\r", b"\\n": b"\n"}


def pdf_text(data: bytes) -> str:
    """Return the words of all pages in the order in which they are drawn."""
    objects = {int(match[1]): match[2] for match in _OBJECT.finditer(data)}
    (fonts,) = set(re.findall(rb"/Font <<(.*?)>>", data, re.S))
    letters = {
        name: _letters(objects, objects[int(number)])
        for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", fonts)
    }
    contents = re.findall(rb"/Contents (\d+) 0 R", data)
    drawn = b"".join(_stream(objects[int(number)]) for number in contents)
    return re.sub(r"\s+", " ", _shown(drawn, letters))


def _stream(body: bytes) -> bytes:
    match = _STREAM.search(body)
    assert match is not None
    return zlib.decompress(match[1]) if b"/FlateDecode" in body else match[1]


def _letters(objects: dict[int, bytes], font: bytes) -> dict[int, str]:
    number = re.search(rb"/ToUnicode (\d+) 0 R", font)
    assert number is not None
    table = _stream(objects[int(number[1])])
    return {
        int(code, 16): bytes.fromhex(letter.decode()).decode("utf-16-be")
        for code, letter in re.findall(rb"^<([0-9A-F]{4})> <([0-9A-F]+)>$", table, re.M)
    }


def _shown(drawn: bytes, letters: dict[bytes, dict[int, str]]) -> str:
    words, font = "", b""
    for match in _TOKEN.finditer(drawn):
        if match[1]:
            font = match[1]
        elif match[2] is None:
            words += " "
        else:
            codes = re.sub(
                rb"\\.", lambda found: _ESCAPES.get(found[0], found[0][1:]), match[2], flags=re.S
            )
            words += "".join(
                letters[font][int.from_bytes(codes[at : at + 2], "big")]
                for at in range(0, len(codes), 2)
            )
    return words
