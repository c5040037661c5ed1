"""Who may call, out of settings and files: checked at the start, followed after.

What is wrong at the start ends it. What becomes wrong later changes nothing: the
daemon goes on with what it had, and its log says so.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from ..clock import SECOND, Instant
from ..config.settings import AccessSettings, Config
from ..errors import ServiceError, field_invalid
from ..service.callers import Guard, Rules
from ..service.roles import ROLES, Role
from ..service.secretfile import read_secret
from ..service.tls import Material, TlsFiles, Transport, load_material
from ..service.tokens import FIELD, Digester, Tokens, parse_tokens

_KINDS = ("dns:", "uri:")
# The name of a caller is kept with every job that it makes.
_LONGEST_NAME = 255

_log = structlog.get_logger(__name__)

Mark = tuple[int, int, int] | None
"""By what a changed file is known: inode, time, size. None: it is not there."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What settings and files say, as a whole."""

    rules: Rules
    material: Material | None


def read_credentials(config: Config, digester: Digester) -> Loaded:
    """Read and check everything; FIELD_INVALID names the setting that is wrong."""
    files = tls_files(config)
    access = config.access
    _check_listeners(config)
    rules = Rules(
        socket=ROLES[access.socket_role],
        anonymous=ROLES[access.insecure_role],
        certificates=dict(_named(access)),
        tokens=_tokens(access, digester),
    )
    return Loaded(rules, None if files is None else load_material(files))


def tls_files(config: Config) -> TlsFiles | None:
    tls = config.tls
    if tls.certificate is None and tls.key is None and tls.client_ca is None:
        return None
    if tls.certificate is None or tls.key is None:
        missing = "certificate" if tls.certificate is None else "key"
        raise field_invalid(f"tls.{missing}", "Needed with the rest of section [tls]")
    return TlsFiles(tls.certificate, tls.key, tls.client_ca)


def _check_listeners(config: Config) -> None:
    if config.tls.certificate is None:
        return
    if config.server.insecure:
        raise field_invalid(
            "server.insecure", "With a certificate in [tls] no TCP goes without TLS"
        )
    if config.tls.client_ca is None and config.access.token_file is None:
        raise field_invalid(
            "tls.client_ca",
            "Nobody could be told apart: set tls.client_ca, so that callers need "
            "a certificate, or access.token_file",
        )


def _named(access: AccessSettings) -> Iterator[tuple[str, Role]]:
    """Certificate names and their roles; each stands in one list alone."""
    lists = {
        "access.viewers": (access.viewers, Role.VIEWER),
        "access.operators": (access.operators, Role.OPERATOR),
        "access.admins": (access.admins, Role.ADMIN),
    }
    seen: set[str] = set()
    for field, (names, role) in lists.items():
        for name in names:
            if not name.startswith(_KINDS) or not 4 < len(name) <= _LONGEST_NAME:
                raise field_invalid(
                    field, f"Must be dns:NAME or uri:NAME of a certificate: {name!r}"
                )
            if name in seen:
                raise field_invalid(field, f"{name} stands in another list, or twice")
            seen.add(name)
            yield name, role


def _tokens(access: AccessSettings, digester: Digester) -> Tokens:
    if access.token_file is None:
        return {}
    data = read_secret(access.token_file, FIELD)
    return parse_tokens(data, access.token_file, digester)


class Credentials:
    """Keeps what the guard and the listeners know as settings and files have it."""

    def __init__(self, config: Config, guard: Guard) -> None:
        # Set once.
        self._guard = guard
        # Settings and files are taken over one after the other: what was read before
        # must not undo what was read after it.
        self._turn = asyncio.Lock()
        # Only on the loop.
        self.transport: Transport | None = None
        self._config = config
        self._loaded: list[Mark] = []
        self._seen: list[Mark] = []

    def load(self) -> None:
        """The first time; raises ServiceError."""
        self._loaded = self._seen = _marks(self._config)
        loaded = read_credentials(self._config, self._guard.digester)
        if loaded.material is not None:
            self.transport = Transport(loaded.material)
        self._take(loaded)

    def certificate_expires(self) -> Instant | None:
        """When the certificate that we show ends; None without TLS."""
        return None if self.transport is None else self.transport.material.expires

    async def follow(self, seconds: float, recheck: Callable[[], None]) -> None:
        """Look at the files every so often; who is refused by now is told so."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._look()
            except ServiceError as error:
                _log.error("credentials_refused", message=error.message)
            except Exception as error:  # noqa: BLE001 - who is refused must be told still
                _log.error("credentials_refused", message=repr(error), exc_info=error)
            # Also without a change: certificates and tokens expire.
            recheck()

    async def _look(self) -> None:
        """Take over files that have changed, once they have come to rest: who writes
        a key and then its certificate is not caught half way."""
        if not _paths(self._config):
            return
        seen = await asyncio.to_thread(_marks, self._config)
        is_at_rest, self._seen = seen == self._seen, seen
        if seen != self._loaded and is_at_rest:
            async with self._turn:
                await self._reload(self._config)

    async def reload(self, config: Config) -> None:
        """Take over settings and files as they are now; raises ServiceError with
        nothing changed."""
        async with self._turn:
            await self._reload(config)

    async def _reload(self, config: Config) -> None:
        # What is wrong is said once, and not at every look.
        self._loaded = self._seen = await asyncio.to_thread(_marks, config)
        loaded = await asyncio.to_thread(read_credentials, config, self._guard.digester)
        self._config = config
        self._take(loaded)

    def _take(self, loaded: Loaded) -> None:
        self._guard.rules = loaded.rules
        facts: dict[str, object] = {"tokens": len(loaded.rules.tokens)}
        if loaded.material is not None:
            facts["certificate_expires"] = _shown(loaded.material.expires)
            if self.transport is not None:
                self.transport.material = loaded.material
        if loaded.material is not None or loaded.rules.tokens:
            _log.info("credentials_loaded", **facts)


def _marks(config: Config) -> list[Mark]:
    return [_mark(path) for path in _paths(config)]


def _paths(config: Config) -> list[Path]:
    tls = config.tls
    paths = (tls.certificate, tls.key, tls.client_ca, config.access.token_file)
    return [path for path in paths if path is not None]


def _mark(path: Path) -> Mark:
    try:
        found = os.stat(path)  # noqa: PTH116 - one call, and its numbers
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _shown(moment: Instant) -> str:
    return datetime.fromtimestamp(moment // SECOND, UTC).isoformat()
