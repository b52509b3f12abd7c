"""Asking an ONNX model for one of its inner values, without the `onnx` package."""

import re

# Field numbers of ONNX's protocol buffers.
_MODEL_GRAPH, _GRAPH_OUTPUT, _VALUE_NAME = 7, 12, 1
_NODE_OUTPUT, _NODE_OP = 2, 4


def with_output(model: bytes, name: str) -> bytes:
    """The model with one output more. What is appended to a serialized message is merged into it: fields that
    repeat, such as a graph's outputs, are lengthened."""
    return model + _field(_MODEL_GRAPH, _field(_GRAPH_OUTPUT, _field(_VALUE_NAME, name.encode())))


def output_of(model: bytes, operator: str) -> str:
    """What the first node of this kind gives out. Raises ValueError when there is none."""
    kind = _field(_NODE_OP, operator.encode())
    at = model.find(kind)
    before = model[max(0, at - 512) : max(0, at)]
    names = [
        found["name"][: found["length"][0]].decode("ascii", "replace")
        for found in re.finditer(
            rb"%c(?P<length>[\x01-\x7f])(?P<name>[\x20-\x7e]+)" % (_NODE_OUTPUT << 3 | 2), before
        )
        if len(found["name"]) >= found["length"][0]
    ]
    if at < 0 or not names:
        raise ValueError(f"no {operator} in this model")
    return names[-1]


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    coded = bytearray()
    while number > 0x7F:
        coded.append(number & 0x7F | 0x80)
        number >>= 7
    coded.append(number)
    return bytes(coded)
