"""TLS, certificates and tokens of both clients and of the command line."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from longshore import (
    AsyncClient,
    Client,
    ConnectionFailed,
    Credentials,
    PermissionDenied,
)
from longshore.cli.exits import Exit
from longshored.app.healthcheck import Exit as ProbeExit
from longshored.app.healthcheck import Tls, probe
from tests.support.certificates import (
    Authority,
    Sketch,
    dns,
    make,
    make_authority,
    make_ca,
    write,
)
from tests.support.credentials import (
    OPERATOR_TOKEN,
    VIEWER_TOKEN,
    SecurePlace,
)
from tests.support.daemon import PATIENCE, LocalDaemon, Place
from tests.support.drivers import Scripted
from tests.support.shell import Done, run

NOBODY = Credentials()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "pki")


@pytest.fixture
def there(tmp_path: Path, authority: Authority) -> SecurePlace:
    there = SecurePlace(Place(tmp_path), authority)
    there.write_tokens()
    return there


@pytest.fixture
def mutual(there: SecurePlace) -> Iterator[str]:
    """The address of a daemon that wants certificates."""
    daemon = LocalDaemon(there.config(), drivers=[Scripted()]).start()
    yield daemon.addresses[0]
    daemon.stop()


@pytest.fixture
def bearers(there: SecurePlace) -> Iterator[str]:
    """The address of a daemon that wants tokens."""
    config = replace(there, wants_certificate=False).config()
    daemon = LocalDaemon(config, drivers=[Scripted()]).start()
    yield daemon.addresses[0]
    daemon.stop()


@pytest.fixture
def viewer(authority: Authority) -> Credentials:
    """Believes the daemon and has a certificate."""
    files = authority.write_client(authority.client(dns("viewer.test")))
    return Credentials(str(authority.ca_file), *map(str, files))


# What makes no sense is refused before anything is sent.


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (Credentials(tls_ca="a", tls_cert="b"), "go together"),
        (Credentials(tls_ca="a", tls_key="b"), "go together"),
        (Credentials(tls_cert="a", tls_key="b"), "tls_ca"),
        (Credentials(tls_name="a"), "tls_ca"),
        (Credentials(token="a"), "without TLS"),
        (Credentials(token_file="a"), "without TLS"),
        (Credentials(tls_ca="a", token="a", token_file="b"), "which one"),
        (Credentials(tls_ca="a", token=""), "blank"),
        (Credentials(tls_ca="a", token="a b"), "blank"),
        (Credentials(tls_ca="a", token="a\n"), "blank"),
        (Credentials(tls_ca="a", token="ä"), "blank"),
    ],
    ids=repr,
)
def test_credentials_that_make_no_sense_are_a_value_error(
    who: Credentials, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Client("host:1", who)
    with pytest.raises(ValueError, match=why):
        AsyncClient("host:1", who)


def test_the_environment_names_them() -> None:
    environment = {
        "LONGSHORE_TLS_CA": "ca",
        "LONGSHORE_TLS_CERT": "cert",
        "LONGSHORE_TLS_KEY": "key",
        "LONGSHORE_TLS_NAME": "name",
        "LONGSHORE_TOKEN_FILE": "file",
    }
    found = Credentials.from_environment(environment)
    assert found == Credentials("ca", "cert", "key", "name", None, "file")
    assert Credentials.from_environment({"LONGSHORE_TOKEN": "x"}).token == "x"


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Credentials(tls_ca="a", token="secret"))


def test_on_a_socket_tls_is_left_out(tmp_path: Path) -> None:
    Client("unix:/x", Credentials(tls_ca=str(tmp_path / "absent"))).stub()


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with (
        Client("host:1", Credentials(tls_ca=str(tmp_path / "absent"))) as client,
        pytest.raises(FileNotFoundError, match="absent"),
    ):
        client.stub()


# Against a daemon.


def test_a_certificate_is_shown(mutual: str, viewer: Credentials) -> None:
    with Client(mutual, viewer) as client:
        assert list(client.list()) == []


def test_a_certificate_is_shown_by_the_asynchronous_client(
    mutual: str, viewer: Credentials
) -> None:
    async def ask() -> None:
        async with AsyncClient(mutual, viewer) as client:
            assert [job async for job in client.list()] == []

    asyncio.run(ask())


def test_the_name_in_the_certificate_may_be_told(
    mutual: str, viewer: Credentials
) -> None:
    with Client(mutual, replace(viewer, tls_name="localhost")) as client:
        assert list(client.list()) == []
    with (
        Client(mutual, replace(viewer, tls_name="elsewhere")) as client,
        pytest.raises(ConnectionFailed, match=r"elsewhere|verif"),
    ):
        client.capabilities()


def test_a_token_is_sent_with_calls_and_watches(
    bearers: str, authority: Authority
) -> None:
    who = Credentials(tls_ca=str(authority.ca_file), token=VIEWER_TOKEN)
    with Client(bearers, who) as client:
        assert list(client.list()) == []
        with client.watch() as watch:
            assert next(iter(watch)) is not None


def test_a_token_is_sent_by_the_asynchronous_client(
    bearers: str, authority: Authority
) -> None:
    who = Credentials(tls_ca=str(authority.ca_file), token=VIEWER_TOKEN)

    async def ask() -> None:
        async with AsyncClient(bearers, who) as client:
            assert [job async for job in client.list()] == []
            async with client.watch() as watch:
                async for value in watch:
                    assert value is not None
                    break

    asyncio.run(ask())


def test_a_file_with_a_token_is_read_again(
    bearers: str, authority: Authority, tmp_path: Path
) -> None:
    file = write(tmp_path / "mine", f"{VIEWER_TOKEN}\n".encode(), 0o600)
    who = Credentials(tls_ca=str(authority.ca_file), token_file=str(file))
    with Client(bearers, who) as client:
        client.capabilities()
        file.write_text("nonsense-0123456789-0123456789")
        with pytest.raises(PermissionDenied) as caught:
            client.capabilities()
        assert caught.value.reason == "CREDENTIALS_INVALID"
        file.write_text(OPERATOR_TOKEN)
        client.capabilities()


def test_what_is_not_allowed_says_which_role_is_needed(
    bearers: str, authority: Authority
) -> None:
    who = Credentials(tls_ca=str(authority.ca_file), token=VIEWER_TOKEN)
    with Client(bearers, who) as client, pytest.raises(PermissionDenied) as caught:
        client.job("a").cancel()
    assert caught.value.metadata["permission"] == "operator"
    assert caught.value.metadata["caller"] == "token:panel"


# The command line says what is wrong.


def ask(address: str, who: Credentials) -> Done:
    words = ["list", "-s", address]
    for name in ("tls_ca", "tls_cert", "tls_key", "tls_name", "token_file"):
        if (value := getattr(who, name)) is not None:
            words += [f"--{name.replace('_', '-')}", value]
    return run(*words)


def test_a_command_shows_its_certificate(mutual: str, viewer: Credentials) -> None:
    assert ask(mutual, viewer).code == 0


def test_a_missing_certificate_is_told(mutual: str, viewer: Credentials) -> None:
    done = ask(mutual, Credentials(viewer.tls_ca))
    assert done.code == Exit.UNREACHABLE
    assert "wants a client certificate: --tls-cert and --tls-key" in done.err


def test_a_certificate_that_is_refused_is_told(
    mutual: str, viewer: Credentials, authority: Authority
) -> None:
    pair = make(Sketch(names=(dns("viewer.test"),)), make_ca("another"))
    files = map(str, authority.write_client(pair, "other"))
    done = ask(mutual, Credentials(viewer.tls_ca, *files))
    assert "refuses the certificate" in done.err


def test_a_daemon_that_is_not_believed_is_told(
    mutual: str, viewer: Credentials, tmp_path: Path
) -> None:
    ca = write(tmp_path / "other.pem", make_ca("another").pem)
    done = ask(mutual, replace(viewer, tls_ca=str(ca)))
    assert "is not believed" in done.err
    done = ask(mutual, replace(viewer, tls_name="elsewhere"))
    assert "not valid for 'elsewhere'" in done.err


def test_a_daemon_on_tls_is_recognised(mutual: str) -> None:
    assert "speaks TLS: name its CA with --tls-ca" in ask(mutual, NOBODY).err


def answer_without_tls(listener: socket.socket) -> None:
    """Tell whoever comes something that is not TLS, until the listener is closed."""
    with suppress(OSError):
        while True:
            met, _ = listener.accept()
            with met:
                met.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_listener_without_tls_is_recognised(viewer: Credentials) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_without_tls, args=(listener,))
        thread.start()
        done = ask(f"127.0.0.1:{listener.getsockname()[1]}", viewer)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
    assert "does not speak TLS" in done.err


def test_a_wrong_token_is_told(
    bearers: str, authority: Authority, tmp_path: Path
) -> None:
    file = write(tmp_path / "mine", b"nonsense-0123456789-0123456789", 0o600)
    who = Credentials(tls_ca=str(authority.ca_file), token_file=str(file))
    done = ask(bearers, who)
    assert done.code == Exit.NOT_ALLOWED
    assert "The token is not known here [CREDENTIALS_INVALID]" in done.err


# The probe of the daemon.


def test_the_probe_speaks_tls(
    mutual: str, viewer: Credentials, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Tls(viewer.tls_ca, viewer.tls_cert, viewer.tls_key)
    assert probe(mutual, "", 5.0, whole) is ProbeExit.SERVING
    assert probe(mutual, "", 0.3, Tls(viewer.tls_ca)) is ProbeExit.CONNECT
    assert "does it want a certificate" in capsys.readouterr().err


def test_the_probe_needs_no_token(bearers: str, authority: Authority) -> None:
    tls = Tls(str(authority.ca_file))
    assert probe(bearers, "", 5.0, tls) is ProbeExit.SERVING


def test_the_probe_wants_whole_pairs(viewer: Credentials) -> None:
    assert probe("host:1", "", 1.0, Tls("a", "b")) is ProbeExit.USAGE
    assert probe("host:1", "", 1.0, Tls("/absent")) is ProbeExit.USAGE
