"""Addresses: what is one, and which is taken when none is given."""

import pytest

from longshore import Client
from longshore.address import check_address


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("unix:/run/d.sock", "unix:/run/d.sock"),
        ("unix:///run/d.sock", "unix:/run/d.sock"),
        ("localhost:7433", "localhost:7433"),
        ("[::1]:7433", "[::1]:7433"),
        ("10.0.0.1:1", "10.0.0.1:1"),
    ],
)
def test_an_address_is_taken(given: str, taken: str) -> None:
    assert check_address(given) == taken


@pytest.mark.parametrize(
    "given",
    [
        *("", "unix:", "unix:run/d.sock", "localhost", "localhost:", ":7433"),
        *("h:0", "h:x", "h:65536", "h:²", f"h:{'1' * 5000}"),
    ],
)
def test_what_is_no_address_is_refused_at_once(given: str) -> None:
    with pytest.raises(ValueError, match="unix:PATH"):
        check_address(given)


def test_a_client_of_no_address_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        Client("nowhere")
