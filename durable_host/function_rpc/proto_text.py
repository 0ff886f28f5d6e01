"""Reads the text of a `.proto` file into a descriptor: only the parts of the language that `FunctionRpc.proto` uses."""

import re
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_TOKEN = re.compile(r'"[^"]*"|[\w.]+|[{}<>=;,]')
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "sint64": FieldDescriptorProto.TYPE_SINT64,
    "string": FieldDescriptorProto.TYPE_STRING,
}


def file_descriptor(text: str, name: str) -> FileDescriptorProto:
    """The descriptor of the file `name`. Raises ValueError for a text that is not understood."""
    file = FileDescriptorProto(name=name, syntax="proto3")
    tokens = iter(_TOKEN.findall(text))
    for token in tokens:
        if token == "syntax":
            _skip(tokens, 3)
        elif token == "package":
            file.package = next(tokens)
            _skip(tokens, 1)
        elif token == "import":
            file.dependency.append(next(tokens).strip('"'))
            _skip(tokens, 1)
        elif token == "message":
            _message(file.message_type.add(name=next(tokens)), tokens, file.package)
        else:
            raise ValueError(f"'{token}' is not understood")
    return file


def _skip(tokens: Iterator[str], count: int) -> None:
    for _ in range(count):
        next(tokens)


def _message(message: DescriptorProto, tokens: Iterator[str], package: str) -> None:
    enums: set[str] = set()
    _skip(tokens, 1)
    for token in tokens:
        if token == "}":
            break
        if token == "enum":
            enum = message.enum_type.add(name=next(tokens))
            enums.add(f"{message.name}.{enum.name}")
            _enum(enum, tokens)
        elif token == "oneof":
            index = len(message.oneof_decl)
            message.oneof_decl.add(name=next(tokens))
            _skip(tokens, 1)
            while (kind := next(tokens)) != "}":
                _field(message, kind, tokens, package).oneof_index = index
        elif token == "map":
            _map(message, tokens, package)
        elif token == "repeated":
            _field(message, next(tokens), tokens, package).label = FieldDescriptorProto.LABEL_REPEATED
        else:
            _field(message, token, tokens, package)


def _enum(enum: EnumDescriptorProto, tokens: Iterator[str]) -> None:
    _skip(tokens, 1)
    while (name := next(tokens)) != "}":
        _skip(tokens, 1)
        enum.value.add(name=name, number=int(next(tokens)))
        _skip(tokens, 1)


def _field(message: DescriptorProto, kind: str, tokens: Iterator[str], package: str) -> FieldDescriptorProto:
    """Add the field whose type has been read. The type is a message or an enum if it is not a scalar: the pool finds
    out which one.
    """
    field = message.field.add(name=next(tokens), label=FieldDescriptorProto.LABEL_OPTIONAL)
    _skip(tokens, 1)
    field.number = int(next(tokens))
    _skip(tokens, 1)
    _set_type(field, kind, package)
    return field


def _set_type(field: FieldDescriptorProto, kind: str, package: str) -> None:
    if (scalar := _SCALARS.get(kind)) is not None:
        field.type = scalar
    else:
        field.type_name = f".{kind}" if kind.startswith("google.") else f".{package}.{kind}"


def _map(message: DescriptorProto, tokens: Iterator[str], package: str) -> None:
    """A map is a repeated message with the fields `key` and `value`."""
    _, key, _, value, _ = (next(tokens) for _ in range(5))
    field = _field(message, "", tokens, package)
    entry = message.nested_type.add(name=f"{field.name.title().replace('_', '')}Entry")
    entry.options.map_entry = True
    for number, (name, kind) in enumerate((("key", key), ("value", value)), 1):
        added = entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        _set_type(added, kind, package)
    field.label = FieldDescriptorProto.LABEL_REPEATED
    field.type_name = f".{package}.{message.name}.{entry.name}"
