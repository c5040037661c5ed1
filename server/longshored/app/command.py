"""The command line of the daemon: flags to settings, and one function per command."""

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from .. import __version__
from ..config.load import Loaded, load, shown
from ..config.settings import LOG_FORMATS, LOG_LEVELS
from ..config.sources import (
    DEFAULT_FILE,
    Source,
    from_environment,
    from_file,
    from_flags,
)
from ..errors import ServiceError
from .notify import manager_of

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PROBE_USAGE = 1

# Longer lines are hard to read, however wide the terminal is.
_WIDEST = 100

# Flag, setting behind it.
_SETTINGS = {
    "listen": ("--listen", "server.listen"),
    "state": ("--state", "store.directory"),
    "root": ("--root", "images.roots"),
    "insecure": ("--insecure", "server.insecure"),
    "tls_cert": ("--tls-cert", "tls.certificate"),
    "tls_key": ("--tls-key", "tls.key"),
    "tls_client_ca": ("--tls-client-ca", "tls.client_ca"),
    "token_file": ("--token-file", "access.token_file"),
    "log_format": ("--log-format", "log.format"),
    "log_level": ("--log-level", "log.level"),
}
_PATHS = {"state", "root", "tls_cert", "tls_key", "tls_client_ca", "token_file"}


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parse(sys.argv[1:] if arguments is None else arguments)
    command: Callable[[argparse.Namespace], int] = asked.command
    try:
        return command(asked)
    except ServiceError as error:
        for line in _lines(error):
            sys.stderr.write(f"longshored: {line}\n")
        return EXIT_FAILED


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    try:
        return _parser().parse_args(arguments)
    except SystemExit as end:
        # The codes of a probe are those of grpc_health_probe, usage included.
        if end.code == EXIT_USAGE and arguments[:1] == ["probe"]:
            raise SystemExit(EXIT_PROBE_USAGE) from None
        raise


def _lines(error: ServiceError) -> list[str]:
    if error.violations:
        return [f"{one.field}: {one.description}" for one in error.violations]
    # What the message says already is not said twice.
    facts = [
        f"{name} {text if text.isprintable() else repr(text)}"
        for name, text in ((name, str(value)) for name, value in error.facts.items())
        if name != "errno" and text not in error.message
    ]
    return [f"{error.message} ({', '.join(facts)})" if facts else error.message]


def _print(lines: Iterable[str]) -> int:
    """On stdout; the exit codes are those of `longshore`."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer goes nowhere: at the exit it would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            # The reader has seen enough.
            return 0
        sys.stderr.write(f"longshored: Cannot write on stdout: {error.strerror}\n")
        return EXIT_USAGE
    return 0


def _serve(asked: argparse.Namespace) -> int:
    # grpc is dear to import; the other commands do without.
    from .check import check_start
    from .daemon import Daemon
    from .logs import set_up_logs
    from .serve import serve

    config = _loaded(asked).config
    check_start(config)
    manager = manager_of(os.environ, os.getpid())
    with closing(set_up_logs(config.log)):
        asyncio.run(serve(Daemon(config), manager, lambda: _loaded(asked).config))
    return 0


def _back_up(asked: argparse.Namespace) -> int:
    from ..store.backup import back_up

    back_up(_loaded(asked).config.store.directory, asked.target)
    return _print([f"The store is in {asked.target}"])


def _show(asked: argparse.Namespace) -> int:
    return _print(shown(_loaded(asked), origins=asked.origin))


def _explain(asked: argparse.Namespace) -> int:
    from .explain import explained, explained_plainly

    if asked.markdown:
        return _print(explained())
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return _print(explained_plainly(width))


def _check(asked: argparse.Namespace) -> int:
    from .check import check, notes

    config = _loaded(asked).config
    check(config)
    return _print(["The settings are good", *notes(config)])


def _probe(asked: argparse.Namespace) -> int:
    from .healthcheck import Tls, probe
    from .nearest import nearest

    tls = Tls(asked.tls_ca, asked.tls_cert, asked.tls_key, asked.tls_name)
    address = asked.address or nearest(os.environ, _file(None))
    return probe(address, asked.service, asked.timeout, tls)


def _loaded(asked: argparse.Namespace) -> Loaded:
    return load(list(_sources(asked, os.environ)))


def _sources(asked: argparse.Namespace, environment: Mapping[str, str]) -> list[Source]:
    later = [from_environment(environment), from_flags(_flags(asked))]
    return [*_file(asked.config), *later]


def _file(given: Path | None) -> list[Source]:
    """The file that is given, else the system's if there is one that we may see."""
    if given is not None:
        return [from_file(given)]
    is_there = os.access(DEFAULT_FILE, os.F_OK)
    return [from_file(DEFAULT_FILE)] if is_there else []


def _flags(asked: argparse.Namespace) -> dict[str, tuple[str, object]]:
    # A command has the flags of the settings that matter to it.
    used = {
        name: value
        for name in _SETTINGS
        if (value := getattr(asked, name, None)) is not None
    }
    return {
        setting: (flag, _from_here(used[name]) if name in _PATHS else used[name])
        for name, (flag, setting) in _SETTINGS.items()
        if name in used
    }


def _from_here(given: str | list[str]) -> str | list[str]:
    """Paths of the command line count from where it is typed; others have no here."""
    if isinstance(given, list):
        return [_absolute(one) for one in given]
    return _absolute(given)


def _absolute(path: str) -> str:
    is_ready = not path or path.startswith(("/", "~"))
    return path if is_ready else str(Path.cwd() / path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="longshored",
        description="The Longshore daemon: job control for disk images.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve until SIGTERM")
    _add_settings(serve)
    serve.set_defaults(command=_serve)

    config = commands.add_parser("config", help="show or check the settings")
    actions = config.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="print every setting as TOML")
    show.add_argument("--origin", action="store_true", help="and where it was written")
    _add_settings(show)
    show.set_defaults(command=_show)
    explain = actions.add_parser("explain", help="say what each setting is for")
    explain.add_argument(
        "--markdown", action="store_true", help="as the tables of the manual"
    )
    explain.set_defaults(command=_explain)
    check = actions.add_parser("check", help="say what is wrong, if anything")
    _add_settings(check)
    check.set_defaults(command=_check)

    backup = commands.add_parser(
        "backup", help="copy the store to a file, also while the daemon serves"
    )
    backup.add_argument("target", type=Path, metavar="TARGET", help="a new file")
    _add_file(backup)
    _add_state(backup)
    backup.set_defaults(command=_back_up)

    _add_probe(commands.add_parser("probe", help="ask a daemon whether it serves"))
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    _add_file(parser)
    parser.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS",
        help="unix:PATH or HOST:PORT; may be repeated",
    )
    _add_state(parser)
    parser.add_argument(
        "--root",
        action="append",
        metavar="DIR",
        help="directory below which images may lie; may be repeated",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        default=None,
        help="allow loopback TCP without TLS: every local user may call",
    )
    _add_credentials(parser)
    parser.add_argument("--log-format", choices=LOG_FORMATS)
    parser.add_argument("--log-level", choices=LOG_LEVELS)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"TOML file with settings (default: {DEFAULT_FILE}, if it is there)",
    )


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", metavar="DIR", help="where jobs are remembered")


def _add_credentials(parser: argparse.ArgumentParser) -> None:
    for flag, text in {
        "--tls-cert": "PEM file; with it and its key all TCP is TLS",
        "--tls-key": "PEM file, closed to others",
        "--tls-client-ca": "PEM file; callers need a certificate of this CA",
        "--token-file": "file of bearer tokens: NAME ROLE TOKEN [EXPIRES]",
    }.items():
        parser.add_argument(flag, metavar="FILE", help=text)


def _add_probe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "address",
        nargs="?",
        help="default: LONGSHORE_ADDRESS, else as configured, else the user's own "
        "daemon or the system's",
    )
    parser.add_argument("--service", default="", help="one service; else the daemon")
    parser.add_argument("--timeout", type=float, default=2.0, metavar="SECONDS")
    for name, text in {
        "ca": "PEM file of the daemon's CA; with it HOST:PORT is TLS",
        "cert": "PEM file with a certificate to show, if the daemon wants one",
        "key": "PEM file with its key",
        "name": "name in the daemon's certificate, if it is not HOST",
    }.items():
        variable = f"LONGSHORE_TLS_{name.upper()}"
        parser.add_argument(
            f"--tls-{name}",
            default=os.environ.get(variable),
            help=f"{text} (else {variable})",
        )
    parser.set_defaults(command=_probe)
