"""What reflection finds by name."""

import pytest

from longshored.service.symbols import Symbols


@pytest.mark.parametrize("name", ["Job", "JobService", "JobService.ListJobs"])
def test_messages_services_and_methods_are_found(name: str) -> None:
    assert Symbols().FindFileContainingSymbol(f"longshore.v1.{name}").name


@pytest.mark.parametrize(
    "name", ["Nothing", "JobService.Nothing", "Nothing.ListJobs", "Job.Nothing", ""]
)
def test_what_is_no_symbol_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        Symbols().FindFileContainingSymbol(f"longshore.v1.{name}")
