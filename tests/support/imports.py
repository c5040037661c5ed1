"""What a tree of Python modules imports, read from its text."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a module imports, as an absolute dotted path."""

    path: Path
    module: tuple[str, ...]
    target: tuple[str, ...]
    relative: bool

    def __str__(self) -> str:
        return f"{'.'.join(self.module)} imports {'.'.join(self.target)}"


def imports_below(source: Path, package: str) -> Iterator[Import]:
    """Every import of the package that lies in the folder `source`."""
    for path in sorted((source / package).rglob("*.py")):
        yield from imports_of(path, path.relative_to(source))


def imports_of(path: Path, relative_path: Path) -> Iterator[Import]:
    module = relative_path.with_suffix("").parts
    # The package that relative imports count from.
    parent = module[:-1]
    if module[-1] == "__init__":
        module = parent
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                for name in names:
                    yield Import(path, module, tuple(name.name.split(".")), False)
            case ast.ImportFrom(module=named, names=names, level=level):
                base = parent[: len(parent) - level + 1] if level else ()
                base += tuple(named.split(".")) if named else ()
                for name in names:
                    yield Import(path, module, (*base, name.name), level > 0)
            case _:
                pass
