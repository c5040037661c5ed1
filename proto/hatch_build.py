"""Generates the Python stubs from the contract: for the build, and for `make proto`.

The stubs land in clients/python/longshore/v1, are ignored by git, and are part of
every wheel and source archive. They are made with the oldest toolchain supported, so
that they load on every later one.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTO = Path("proto/longshore/v1")
STUBS = Path("clients/python/longshore/v1")
MARKER = '"""Generated from proto/longshore/v1; never edited."""\n'


class StubsBuildHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate(Path(self.root))
        build_data["artifacts"].append(f"{STUBS}/*.py*")


def generate(root: Path) -> None:
    """Make the stubs; files that are right already are left alone."""
    with tempfile.TemporaryDirectory() as scratch:
        _replace(compile_stubs(root, Path(scratch)), root / STUBS)


def compile_stubs(root: Path, out: Path) -> Path:
    """Make the stubs below `out`; the folder that holds them."""
    protos = sorted((root / PROTO).glob("*.proto"))
    services = [path for path in protos if path.stem.endswith("_service")]
    _protoc(root, protos, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    _protoc(root, services, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}")
    made = out / "longshore" / "v1"
    (made / "__init__.py").write_text(MARKER)
    return made


def _protoc(root: Path, protos: list[Path], *outputs: str) -> None:
    with resources.as_file(resources.files("grpc_tools") / "_proto") as well_known:
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc"),
                *(f"-I{root / 'proto'}", f"-I{root / 'third_party'}"),
                f"-I{well_known}",
                f"--plugin=protoc-gen-mypy={_tool('protoc-gen-mypy')}",
                f"--plugin=protoc-gen-mypy_grpc={_tool('protoc-gen-mypy_grpc')}",
                *outputs,
                *map(str, protos),
            ],
            check=True,
        )


def _tool(name: str) -> str:
    """A plugin of this environment, which need not be on PATH."""
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    found = found or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: install mypy-protobuf")
    return found


def _replace(made: Path, stubs: Path) -> None:
    """Make `stubs` equal to `made`, without touching files that are equal."""
    stubs.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in made.iterdir()}
    for old in stubs.glob("*.py*"):
        if old.name not in names:
            old.unlink()
    for path in made.iterdir():
        target = stubs / path.name
        text = path.read_bytes()
        if not target.exists() or target.read_bytes() != text:
            # Renamed into place: whoever imports meanwhile sees a whole file.
            part = target.with_name(f".{path.name}.part")
            part.write_bytes(text)
            part.replace(target)


if __name__ == "__main__":
    generate(Path(__file__).resolve().parent.parent)
