"""Addresses: what is one, and which is taken when none is given."""

import os

import pytest

from longshore import Client
from longshore.address import check_address, choose_address

OF_ROOT = "/run/longshore/longshored.sock"
OWN = "/run/user/7/longshore/longshored.sock"
RUNTIME = {"XDG_RUNTIME_DIR": "/run/user/7"}


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


def chosen(
    *there: str, closed: tuple[str, ...] = (), user: int = 7, **environment: str
) -> str:
    """What is taken where these sockets are, of which some are closed to the user."""

    def may(path: str, mode: int) -> bool:
        return path in there and (mode == os.F_OK or path not in closed)

    return choose_address(RUNTIME | environment, user, may)


def test_the_environment_goes_before_every_socket() -> None:
    assert chosen(OWN, OF_ROOT, LONGSHORE_ADDRESS="h:1") == "h:1"


def test_a_daemon_of_the_user_s_own_goes_before_root_s() -> None:
    assert chosen(OWN, OF_ROOT) == f"unix:{OWN}"


def test_who_may_connect_to_root_s_daemon_does() -> None:
    assert chosen(OF_ROOT) == f"unix:{OF_ROOT}"


def test_who_may_not_connect_to_root_s_daemon_is_told_of_the_own_socket() -> None:
    assert chosen(OF_ROOT, closed=(OF_ROOT,)) == f"unix:{OWN}"


def test_without_any_daemon_the_own_socket_is_meant() -> None:
    assert chosen() == f"unix:{OWN}"
    there = "unix:/tmp/longshore-7/longshore/longshored.sock"
    assert chosen(XDG_RUNTIME_DIR="") == there


def test_root_s_own_socket_is_that_of_the_system() -> None:
    assert chosen(OWN, user=0) == f"unix:{OF_ROOT}"
