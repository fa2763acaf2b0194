"""Small changes to an ONNX model without the onnx package: it is a protobuf message, and a message is a list of fields.

Field numbers are those of onnx.proto: ModelProto.graph = 7; GraphProto.node = 1, .initializer = 5, .input = 11,
.output = 12; NodeProto.input = 1, .output = 2, .op_type = 4; ValueInfoProto.name = 1, .type = 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Bytes = bytes | memoryview
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
FLOAT, INT64 = 1, 7  # TensorProto.DataType


@dataclass(frozen=True)
class Field:
    number: int
    value: Bytes  # of a length-delimited field, else empty
    raw: Bytes  # the whole field as it stands in the file


def _varint_at(data: Bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data: Bytes) -> Iterator[Field]:
    """The fields of a message. Raises ValueError or IndexError for what is no protobuf."""
    at = 0
    while at < len(data):
        start = at
        key, at = _varint_at(data, at)
        number, wire = key >> 3, key & 7
        value: Bytes = b""
        if wire == LENGTH:
            size, at = _varint_at(data, at)
            value, at = data[at : at + size], at + size
        elif wire == VARINT:
            _, at = _varint_at(data, at)
        elif wire in (FIXED64, FIXED32):
            at += 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        if at > len(data):
            raise ValueError("the message ends inside a field")
        yield Field(number, value, data[start:at])


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def packed(number: int, value: Bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | LENGTH) + varint(len(value)) + bytes(value)


def counted(number: int, value: int) -> bytes:
    """A varint field."""
    return varint(number << 3 | VARINT) + varint(value)


def node(op: str, inputs: list[str], output: str) -> bytes:
    """A graph node as a field of GraphProto."""
    body = b"".join(packed(1, n.encode()) for n in inputs) + packed(2, output.encode())
    return packed(1, body + packed(3, f"{op}_{output}".encode()) + packed(4, op.encode()))


def tensor_input(name: str) -> bytes:
    """A float input of unknown shape, as a field of GraphProto."""
    return packed(11, packed(1, name.encode()) + packed(2, packed(1, counted(1, FLOAT))))


def initializer(name: str, values: list[int]) -> bytes:
    """A constant vector of int64, as a field of GraphProto."""
    raw = b"".join(v.to_bytes(8, "little", signed=True) for v in values)
    return packed(5, counted(1, len(values)) + counted(2, INT64) + packed(8, name.encode()) + packed(9, raw))
