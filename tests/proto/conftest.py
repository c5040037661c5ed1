"""The contract, compiled once a worker."""

from pathlib import Path

import pytest

from tests.support.contract import Contract, compile_contract


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    scratch: Path = tmp_path_factory.mktemp("contract")
    return Contract(compile_contract(scratch))
