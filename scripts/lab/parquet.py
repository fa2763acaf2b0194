"""Reads the one column of texts of a small Parquet file with the standard library alone.

It knows what such a file needs: Thrift's compact protocol, Snappy, version 1 data pages, plain and dictionary
encoding (apache/parquet-format: README.md, Encodings.md; google/snappy: format_description.txt). Anything else is
an error. With pyarrow, `pq.read_table(file).column(0).to_pylist()` gives the same list.
"""

from __future__ import annotations

from typing import Any

BYTE_ARRAY, SNAPPY, UNCOMPRESSED = 6, 1, 0  # numbers of the format
DATA_PAGE, DICTIONARY_PAGE, PLAIN = 0, 2, 0
DICTIONARY = (2, 8)  # PLAIN_DICTIONARY, RLE_DICTIONARY


def read_texts(content: bytes) -> list[str]:
    """All values of the only column, in order; raises ValueError for a file of another kind."""
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        raise ValueError("no Parquet file")
    length = int.from_bytes(content[-8:-4], "little")
    footer = _Thrift(content, len(content) - 8 - length).struct()
    texts: list[str] = []
    for group in footer[4]:
        columns = group[1]
        if len(columns) != 1 or columns[0][3][1] != BYTE_ARRAY:
            raise ValueError("not one column of texts")
        texts += _column(content, columns[0][3])
    if len(texts) != footer[3]:
        raise ValueError(f"{len(texts)} values, but {footer[3]} rows")
    return texts


def _column(content: bytes, meta: dict[int, Any]) -> list[str]:
    """The values of one column of one group of rows."""
    place, left = meta.get(11, meta[9]), meta[5]
    words: list[str] = []
    texts: list[str] = []
    while left > 0:
        thrift = _Thrift(content, place)
        header = thrift.struct()
        place = thrift.at + header[3]
        page = content[thrift.at : place]
        page = _unsnap(page) if meta[4] == SNAPPY else page
        if meta[4] not in (SNAPPY, UNCOMPRESSED) or len(page) != header[2]:
            raise ValueError("a page is packed in an unknown way")
        if header[1] == DICTIONARY_PAGE:
            words = _plain(page)
        elif header[1] == DATA_PAGE:
            texts += _data_page(page, header[5], words)
            left -= header[5][1]
        else:
            raise ValueError(f"a page of the unknown kind {header[1]}")
    return texts


def _data_page(page: bytes, header: dict[int, Any], words: list[str]) -> list[str]:
    count, encoding = header[1], header[2]
    levels = int.from_bytes(page[:4], "little")  # which values are there, as bits: all of them must be
    if not all(_runs(page[4 : 4 + levels], 1, count)):
        raise ValueError("a value is missing")
    body = page[4 + levels :]
    if encoding == PLAIN:
        return _plain(body)
    if encoding in DICTIONARY:
        return [words[index] for index in _runs(body[1:], body[0], count)]
    raise ValueError(f"the unknown encoding {encoding}")


def _plain(page: bytes) -> list[str]:
    """Texts one after the other, each with its length in front."""
    texts, at = [], 0
    while at < len(page):
        length = int.from_bytes(page[at : at + 4], "little")
        texts.append(page[at + 4 : at + 4 + length].decode("utf-8"))
        at += 4 + length
    return texts


def _runs(packed: bytes, width: int, count: int) -> list[int]:
    """`count` numbers of `width` bits: runs of one number, and groups of eight packed together."""
    numbers: list[int] = []
    thrift, mask, size = _Thrift(packed, 0), (1 << width) - 1, (width + 7) // 8
    while len(numbers) < count:
        head = thrift.varint()
        if head & 1:
            for _ in range(head >> 1):
                eight = int.from_bytes(thrift.take(width), "little")
                numbers += [(eight >> (width * i)) & mask for i in range(8)]
        else:
            numbers += [int.from_bytes(thrift.take(size), "little")] * (head >> 1)
    return numbers[:count]


class _Thrift:
    """Thrift's compact protocol: a struct becomes {field number: value}."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.content):
            raise ValueError("the file ends too early")
        self.at += count
        return self.content[self.at - count : self.at]

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def signed(self) -> int:
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def value(self, kind: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self.take(1)[0]
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 7:
            return self.take(8)
        if kind == 8:
            return self.take(self.varint())
        if kind in (9, 10):
            return self.list()
        if kind == 12:
            return self.struct()
        raise ValueError(f"a value of the unknown kind {kind}")

    def list(self) -> list:
        head = self.take(1)[0]
        count = self.varint() if head >> 4 == 15 else head >> 4
        if head & 15 in (1, 2):  # a flag has a byte of its own in a list
            return [self.take(1)[0] == 1 for _ in range(count)]
        return [self.value(head & 15) for _ in range(count)]

    def struct(self) -> dict[int, Any]:
        fields, field = {}, 0
        while head := self.take(1)[0]:
            field = field + (head >> 4) if head >> 4 else self.signed()
            fields[field] = self.value(head & 15)
        return fields


def _unsnap(packed: bytes) -> bytes:
    """Snappy: literal bytes, and copies of what was written before."""
    reader = _Thrift(packed, 0)
    length, out = reader.varint(), bytearray()
    while reader.at < len(packed):
        tag = reader.take(1)[0]
        kind = tag & 3
        if kind == 0:
            size = tag >> 2
            if size >= 60:
                size = int.from_bytes(reader.take(size - 59), "little")
            out += reader.take(size + 1)
            continue
        if kind == 1:
            size, back = ((tag >> 2) & 7) + 4, (tag >> 5) << 8 | reader.take(1)[0]
        else:
            size, back = (tag >> 2) + 1, int.from_bytes(reader.take(2 * kind - 2), "little")
        if not 0 < back <= len(out):
            raise ValueError("a copy from before the beginning")
        while size > 0:  # a copy may reach into what it writes
            piece = out[-back:][:size]
            out += piece
            size -= len(piece)
    if len(out) != length:
        raise ValueError("unpacked to another length than stated")
    return bytes(out)
