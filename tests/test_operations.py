"""The operations manual: its commands work, its tables are those of the code."""

import ast
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from longshored.app.explain import explained
from tests.app.test_metrics import LABELS

ROOT = Path(__file__).parent.parent
MANUAL = (ROOT / "docs" / "operations.md").read_text()
RULES = (ROOT / "deploy" / "prometheus" / "longshore.rules.yml").read_text()
BOARD = json.loads((ROOT / "deploy" / "grafana" / "longshore.json").read_text())
SERVER = ROOT / "server" / "longshored"
BIN = Path(sys.executable).parent


def between(begin: str, end: str) -> str:
    return MANUAL.partition(f"{begin}\n")[2].partition(end)[0]


# Settings.


def test_the_settings_are_those_of_the_code() -> None:
    told = between(
        "<!-- settings: longshored config explain --markdown -->", "<!-- end of"
    )
    assert told == "\n".join(explained()), (
        "longshored config explain --markdown has the new text"
    )


# Metrics, alerts, dashboard.

PROCESS = {
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}
_NAME = re.compile(r"\b(?:longshore|grpc_server|process)_[a-z_]+\b")


def exposed() -> set[str]:
    """Every name of a sample that a scrape may have."""
    names = set(PROCESS)
    for name in LABELS:
        names |= {name, f"{name}_total", f"{name}_bucket", f"{name}_count"}
    return names


def told_labels(expression: str) -> set[str]:
    chosen = re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression)
    grouped = re.findall(r"(?:by|on|without) \(([^)]*)\)", expression)
    return {*chosen, *(one.strip() for part in grouped for one in part.split(","))}


def expressions() -> Iterator[str]:
    yield from re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", RULES)
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def test_rules_and_board_use_names_that_exist() -> None:
    used = {name for one in expressions() for name in _NAME.findall(one)}
    assert len(used) > 15
    assert used - exposed() == set()


def test_rules_and_board_use_labels_that_exist() -> None:
    known = {"instance", "job", "le"}.union(*LABELS.values())
    assert {label for one in expressions() for label in told_labels(one)} <= known


def test_every_metric_is_on_the_board_and_in_the_manual() -> None:
    board = json.dumps(BOARD)
    silent = [n for n in LABELS if n not in board or f"`{n}" not in MANUAL]
    assert silent == []


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES)


def test_every_alert_has_its_place_in_the_manual() -> None:
    titles = re.findall(r"^#### (\w+)$", MANUAL, re.MULTILINE)
    assert titles == [name for name in titles if name in alerts()]
    assert sorted(titles) == sorted(alerts())
    for name in alerts():
        assert f"runbook: docs/operations.md#{name.lower()}\n" in RULES


# The log.


@cache
def logged() -> list[tuple[str, str, set[str]]]:
    """Event, level and keywords of every line that the daemon may write."""
    paths = {path: path.read_text() for path in sorted(SERVER.rglob("*.py"))}
    return [
        line
        for path, text in paths.items()
        if "import structlog" in text
        for line in _lines(ast.parse(text), path)
    ]


def _lines(tree: ast.Module, path: Path) -> Iterator[tuple[str, str, set[str]]]:
    # A method of the logger may be chosen first: write = _log.info if ... else ...
    chosen = {
        target.id: level
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
        and (level := " ".join(sorted(set(_levels(node.value)))))
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            level = chosen.get(node.func.id, "")
        else:
            level = _level(node.func) or ""
        if not level:
            continue
        event = node.args[0] if node.args else None
        assert isinstance(event, ast.Constant), f"{path}:{node.lineno} has no name"
        keywords = {
            one.arg for one in node.keywords if one.arg and one.arg[:4] != "exc_"
        }
        yield str(event.value), level, keywords


def _level(node: ast.AST) -> str | None:
    match node:
        case ast.Attribute(value=ast.Name(id="_log" | "_audit"), attr=level):
            return "error" if level == "exception" else level
        case _:
            return None


def _levels(value: ast.AST) -> Iterator[str]:
    match value:
        case ast.IfExp(body=body, orelse=orelse):
            yield from _levels(body)
            yield from _levels(orelse)
        case ast.Attribute():
            if (level := _level(value)) is not None:
                yield level
        case _:
            return


@cache
def table() -> dict[str, tuple[set[str], set[str]]]:
    """Levels and fields, by event, as the manual has them."""
    rows = {}
    for line in between("<!-- events -->", "<!-- end of").splitlines()[2:]:
        event, level, _, fields = (one.strip() for one in line.strip("|").split("|"))
        levels = {one.strip() for one in level.split(",")}
        rows[event.strip("`")] = (levels, set(re.findall(r"`(\w+)`", fields)))
    return rows


def test_every_event_of_the_code_is_in_the_manual_and_none_beside() -> None:
    assert {event for event, _, _ in logged()} == table().keys()


def test_every_event_has_a_name_of_one_form() -> None:
    assert [e for e, _, _ in logged() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", e)] == []


def test_levels_and_fields_are_those_of_the_code() -> None:
    for event, level, keywords in logged():
        levels, fields = table()[event]
        assert set(level.split()) <= levels, event
        assert keywords <= fields | {"rpc", "job"}, event


# Links and commands.

ANCHORS = {
    re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
    for title in re.findall(r"^#+ (.*)$", MANUAL, re.MULTILINE)
}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", MANUAL))))
def test_every_link_of_the_manual_leads_somewhere(link: str) -> None:
    if link.startswith("#"):
        assert link[1:] in ANCHORS
    else:
        assert (ROOT / "docs" / link).exists()


# What a test cannot do is done by these: the service manager and the installer.
STAGE = """
set -eu
export LONGSHORE_ADDRESS=unix:$T/run/longshored.sock
mkdir -p $T/etc $T/state $T/images $T/run
sed "s|/run/longshore|$T/run|; s|/var/lib/longshore|$T/state|" {settings} |
    sed "s|/srv/images|$T/images|" > $T/etc/longshored.toml

starts=0
program() {{ command longshored serve --config $T/etc/longshored.toml; }}
longshored() {{
    case $1 in
        probe) command longshored "$@" ;;
        *) command longshored "$@" --config $T/etc/longshored.toml ;;
    esac
}}
start() {{
    starts=$((starts + 1))
    program 2>> $T/log & daemon=$!
    # Asking with a client would cost more than the start.
    until [ "$(grep -c '"ready"' $T/log)" = $starts ]; do
        kill -0 $daemon
        sleep 0.1
    done
}}
stop() {{ kill $(cat $T/state/lock); wait $daemon; }}
systemctl() {{
    case "$*" in
        'start longshored') start ;;
        'stop longshored') stop ;;
        'restart longshored') stop; start ;;
        'reload longshored') kill -HUP $(cat $T/state/lock) ;;
        *) return 1 ;;
    esac
}}
systemd-tmpfiles() {{ [ "$*" = '--create longshore.conf' ]; }}
pip() {{ [ "$*" = 'wheel --no-deps -w dist .' ]; }}
deploy/install.sh() {{ [ -n "${{daemon:-}}" ] && stop; start; }}
trap 'kill -9 $(cat $T/state/lock) 2> /dev/null || true' EXIT
"""


def commands() -> str:
    blocks = re.findall(r"```sh\n(.*?)```", MANUAL, re.DOTALL)
    assert len(blocks) > 6
    return "".join(blocks)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@pytest.mark.slow
@pytest.mark.timeout(110)
def test_the_commands_of_the_manual_work_as_they_are_written(tmp_path: Path) -> None:
    script = STAGE.format(settings=ROOT / "deploy" / "systemd" / "longshored.toml")
    typed = commands() + "\nstop\n"
    for told, here in (
        ("/etc/longshore", "$T/etc"),
        ("/var/lib/longshore", "$T/state"),
        ("/run/longshore/", "$T/run/"),
        ("/var/backups", "$T/backups"),
        ("7443", str(free_port())),
    ):
        typed = typed.replace(told, here)
    # Between single quotes the shell would take the name as it stands.
    script = (script + typed).replace("$T", str(tmp_path))
    done = subprocess.run(
        ["timeout", "90", "bash", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    log = tmp_path / "log"
    said = log.read_text() if log.exists() else ""
    assert done.returncode == 0, done.stdout + done.stderr + said
    backups = sorted(path.name for path in (tmp_path / "backups").rglob("*.sqlite"))
    assert len(backups) == 2
    assert "certificate_expires" in said
