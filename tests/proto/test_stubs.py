"""The generated stubs are those of the contract in the tree."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import longshore.v1
from tests.support.contract import ROOT


def build_hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "hatch_build", ROOT / "proto" / "hatch_build.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.py*")}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    scratch = tmp_path_factory.mktemp("stubs")
    folder: Path = build_hook().compile_stubs(ROOT, scratch)
    return texts(folder)


def test_the_stubs_are_made_from_the_contract_in_the_tree(made: dict[str, str]) -> None:
    (folder,) = longshore.v1.__path__
    found = texts(Path(folder))
    assert found.keys() == made.keys()
    assert [name for name in made if made[name] != found[name]] == [], "make proto"


def test_google_rpc_is_not_among_the_stubs(made: dict[str, str]) -> None:
    names = {name.split("_pb2")[0] for name in made if "_pb2" in name}
    assert names == {path.stem for path in (ROOT / "proto/longshore/v1").iterdir()}


def test_the_stubs_are_made_by_the_oldest_toolchain(made: dict[str, str]) -> None:
    assert "Protobuf Python Version: 6.31.1" in made["job_pb2.py"]
    assert "GRPC_GENERATED_VERSION = '1.76.0'" in made["job_service_pb2_grpc.py"]
