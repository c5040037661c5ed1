"""Settings about TLS and access: contradictions are found before all is opened."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from longshored.app import credentials
from longshored.app.command import main
from longshored.app.credentials import Credentials, Loaded, read_credentials
from longshored.app.daemon import listening
from longshored.clock import SystemClock
from longshored.config.settings import (
    AccessSettings,
    Config,
    ServerSettings,
    TlsSettings,
)
from longshored.errors import ServiceError
from longshored.service.callers import Guard
from longshored.service.roles import Role
from longshored.service.tokens import Digester
from tests.support.certificates import Authority, make_authority
from tests.support.credentials import SecurePlace
from tests.support.daemon import Place


@pytest.fixture
def there(tmp_path: Path) -> SecurePlace:
    there = SecurePlace(Place(tmp_path), make_authority(tmp_path / "pki"))
    there.write_tokens()
    return there


def wrong(config: Config) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        read_credentials(config, Digester())
    (violation,) = caught.value.violations
    return violation.field, violation.description


def test_good_settings_are_read(there: SecurePlace) -> None:
    loaded = read_credentials(there.config(), Digester())
    assert loaded.material is not None
    assert len(loaded.rules.tokens) == 4
    assert loaded.rules.certificates["uri:spiffe://test/admin"] is Role.ADMIN
    assert (loaded.rules.socket, loaded.rules.anonymous) == (Role.ADMIN, Role.OPERATOR)


def test_tls_alone_tells_nobody_apart(there: SecurePlace) -> None:
    tls = replace(there.config().tls, client_ca=None)
    config = there.config(tls=tls, access=AccessSettings())
    assert wrong(config)[0] == "tls.client_ca"


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_certificate_and_key_go_together(there: SecurePlace, missing: str) -> None:
    tls = replace(there.config().tls, **{missing: None})
    assert wrong(there.config(tls=tls))[0] == f"tls.{missing}"


def test_a_client_ca_needs_a_certificate_of_ours(there: SecurePlace) -> None:
    tls = TlsSettings(client_ca=there.authority.ca_file)
    assert wrong(there.config(tls=tls))[0] == "tls.certificate"


def test_insecure_and_tls_contradict_each_other(there: SecurePlace) -> None:
    server = ServerSettings(listen=("127.0.0.1:0",), insecure=True)
    assert wrong(there.config(server=server))[0] == "server.insecure"


@pytest.mark.parametrize(
    "name", ["operator.test", "dns:", "cn:operator", "DNS:operator", f"dns:{'x' * 300}"]
)
def test_a_name_says_of_which_kind_it_is(there: SecurePlace, name: str) -> None:
    field, why = wrong(there.config(access=AccessSettings(admins=(name,))))
    assert (field, "dns:NAME or uri:NAME" in why) == ("access.admins", True)


def test_a_name_stands_in_one_list(there: SecurePlace) -> None:
    access = AccessSettings(viewers=("dns:a.test",), admins=("dns:a.test",))
    assert wrong(there.config(access=access))[0] == "access.admins"


def test_a_token_file_that_others_can_read_is_refused(there: SecurePlace) -> None:
    there.write_tokens(mode=0o644)
    field, why = wrong(there.config())
    assert (field, "mode 0644" in why) == ("access.token_file", True)


def test_with_tls_any_address_may_be_served(there: SecurePlace) -> None:
    config = there.config(server=ServerSettings(listen=("0.0.0.0:7443",)))
    assert [str(one) for one in listening(config)] == ["0.0.0.0:7443"]


def test_without_tls_loopback_alone_and_only_when_told(there: SecurePlace) -> None:
    plain = there.config(tls=TlsSettings())
    for server in (
        ServerSettings(listen=("127.0.0.1:7000",)),
        ServerSettings(listen=("0.0.0.0:7000",), insecure=True),
    ):
        with pytest.raises(ServiceError, match="no TLS"):
            listening(replace(plain, server=server))


def test_check_reads_the_files(
    there: SecurePlace, capsys: pytest.CaptureFixture[str]
) -> None:
    authority: Authority = there.authority
    words = [
        *("config", "check", "--root", str(there.place.root)),
        *("--listen", "0.0.0.0:7443", "--token-file", str(there.token_file)),
        *("--tls-cert", str(authority.certificate_file)),
        *("--tls-key", str(authority.key_file)),
    ]
    assert main(words) == 0
    authority.key_file.chmod(0o644)
    assert main(words) == 1
    assert "tls.key: " in capsys.readouterr().err


def test_a_reload_is_not_undone_by_a_look_that_began_before_it(
    there: SecurePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = there.config(access=AccessSettings(admins=("dns:mallory",)))
    new = replace(old, access=AccessSettings(viewers=("dns:alice",)))
    asked, go_on = threading.Event(), threading.Event()

    def slowly(config: Config, digester: Digester) -> Loaded:
        loaded = read_credentials(config, digester)
        if config is old:
            asked.set()
            assert go_on.wait(10)
        return loaded

    async def meet() -> None:
        guard = Guard(SystemClock())
        kept = Credentials(old, guard)
        kept.load()
        monkeypatch.setattr(credentials, "read_credentials", slowly)
        look = asyncio.create_task(kept.reload(old))
        await asyncio.to_thread(asked.wait, 10)
        reload = asyncio.create_task(kept.reload(new))
        # It waits for its turn; were there none it would be done by now.
        await asyncio.wait([reload], timeout=0.3)
        go_on.set()
        await asyncio.gather(look, reload)
        assert list(guard.rules.certificates) == ["dns:alice"]

    asyncio.run(meet())
