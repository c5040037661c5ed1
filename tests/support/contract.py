"""The contract with its comments: descriptors compiled from the .proto files."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Generic, TypeVar

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

ROOT = Path(__file__).parent.parent.parent
PROTOS = sorted((ROOT / "proto" / "longshore" / "v1").glob("*.proto"))


def compile_contract(scratch: Path) -> FileDescriptorSet:
    """All files of the contract and what they import, comments included."""
    out = scratch / "contract.binpb"
    with resources.as_file(resources.files("grpc_tools") / "_proto") as well_known:
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc"),
                *(f"-I{ROOT / 'proto'}", f"-I{ROOT / 'third_party'}"),
                f"-I{well_known}",
                *("--include_imports", "--include_source_info"),
                f"--descriptor_set_out={out}",
                *map(str, PROTOS),
            ],
            check=True,
        )
    return FileDescriptorSet.FromString(out.read_bytes())


D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Described(Generic[D]):
    """A descriptor, its full name without the package, its comment on one line."""

    name: str
    comment: str
    descriptor: D


# Field numbers of descriptor.proto: a place in a file is a path of them.
MESSAGE, ENUM, SERVICE = 4, 5, 6
FIELD, NESTED, NESTED_ENUM, VALUE, METHOD = 2, 3, 4, 2, 2

Place = tuple[int, ...]


class Contract:
    """Everything that our files declare, with its comments."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self.messages: list[Described[DescriptorProto]] = []
        self.fields: list[Described[FieldDescriptorProto]] = []
        self.enums: list[Described[EnumDescriptorProto]] = []
        self.values: list[Described[EnumValueDescriptorProto]] = []
        self.methods: list[Described[MethodDescriptorProto]] = []
        self.files = [file for file in files.file if file.package == "longshore.v1"]
        for file in self.files:
            self._add_file(file)

    def _add_file(self, file: FileDescriptorProto) -> None:
        notes = {
            tuple(place.path): " ".join(place.leading_comments.split())
            for place in file.source_code_info.location
        }
        for i, message in enumerate(file.message_type):
            self._add_message(notes, (MESSAGE, i), "", message)
        for i, enum in enumerate(file.enum_type):
            self._add_enum(notes, (ENUM, i), enum)
        for i, service in enumerate(file.service):
            for j, method in enumerate(service.method):
                note = notes.get((SERVICE, i, METHOD, j), "")
                self.methods.append(Described(method.name, note, method))

    def _add_message(
        self, notes: dict[Place, str], place: Place, above: str, it: DescriptorProto
    ) -> None:
        if it.options.map_entry:
            return
        name = f"{above}{it.name}"
        self.messages.append(Described(name, notes.get(place, ""), it))
        for i, field in enumerate(it.field):
            note = notes.get((*place, FIELD, i), "")
            self.fields.append(Described(f"{name}.{field.name}", note, field))
        for i, nested in enumerate(it.nested_type):
            self._add_message(notes, (*place, NESTED, i), f"{name}.", nested)
        for i, enum in enumerate(it.enum_type):
            self._add_enum(notes, (*place, NESTED_ENUM, i), enum)

    def _add_enum(
        self, notes: dict[Place, str], place: Place, enum: EnumDescriptorProto
    ) -> None:
        self.enums.append(Described(enum.name, notes.get(place, ""), enum))
        for i, value in enumerate(enum.value):
            note = notes.get((*place, VALUE, i), "")
            self.values.append(Described(value.name, note, value))

    def message(self, name: str) -> DescriptorProto:
        return next(it.descriptor for it in self.messages if it.name == name)

    def fields_given_by_clients(self) -> list[Described[FieldDescriptorProto]]:
        """Fields that a request can hold and the daemon reads."""
        names = {it.name for it in self.messages if it.name.endswith("Request")}
        given: dict[str, Described[FieldDescriptorProto]] = {}
        todo = sorted(names)
        while todo:
            for field in self._fields_of(todo.pop()):
                if field.comment.startswith("Output only."):
                    continue
                given[field.name] = field
                target = field.descriptor.type_name.removeprefix(".longshore.v1.")
                if target not in names:
                    names.add(target)
                    todo.append(target)
        return list(given.values())

    def _fields_of(self, message: str) -> Iterator[Described[FieldDescriptorProto]]:
        return (it for it in self.fields if it.name.rpartition(".")[0] == message)
