"""Protobuf fields whose content is already encoded, so that content of many messages is encoded only once."""


def field(number: int, content: bytes) -> bytes:
    """Encode a field of text, bytes or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def flag(number: int) -> bytes:
    """Encode a boolean field that is true."""
    return varint(number << 3) + b"\1"


def varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    digits = bytearray()
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
