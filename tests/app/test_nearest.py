"""Whom a probe asks that is told no address."""

import os

from longshored.app.nearest import near, nearest
from longshored.config.settings import default_address
from longshored.config.sources import Given

SYSTEM = "unix:/run/longshore/longshored.sock"
OWN = "unix:/run/user/7/longshore/longshored.sock"


def asked(
    *there: str,
    closed: tuple[str, ...] = (),
    own: str = OWN,
    of_file: str | None = None,
) -> str:
    """Who is asked where these sockets are, of which some are closed to the user."""

    def may(path: str, mode: int) -> bool:
        address = f"unix:{path}"
        return address in there and (mode == os.F_OK or address not in closed)

    return near(own, of_file, may)


def test_the_user_s_own_daemon_goes_before_the_system_s() -> None:
    assert asked(OWN, SYSTEM) == OWN


def test_who_may_ask_the_system_s_daemon_does() -> None:
    assert asked(SYSTEM) == SYSTEM
    assert asked(SYSTEM, closed=(SYSTEM,)) == OWN


def test_without_any_the_own_one_is_missed() -> None:
    assert asked() == OWN


def test_the_file_says_where_the_system_s_daemon_is() -> None:
    assert asked(SYSTEM, of_file="h:1") == "h:1"
    assert asked(OWN, SYSTEM, of_file="h:1") == OWN
    assert asked(SYSTEM, own=SYSTEM, of_file="h:1") == "h:1"


def test_what_clients_are_told_goes_before_what_is_set() -> None:
    file = {"server.listen": Given(["h:1", "unix:/x"], "a file")}
    assert nearest({"LONGSHORE_ADDRESS": "h:2"}, [file]) == "h:2"
    assert nearest({}, [file]) == "unix:/x"
    assert nearest({"LONGSHORE_SERVER__LISTEN": "h:3"}, [file]) == "h:3"
    assert nearest({"LONGSHORE_SERVER__LISTEN": ""}, [file]) == default_address()
