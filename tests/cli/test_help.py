"""Help: for every command, with an example, and fast."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from longshore.cli.completion import subcommands
from longshore.cli.exits import MEANINGS, Exit
from longshore.cli.options import ON_ERROR
from longshore.cli.parser import build
from tests.support.shell import PROGRAM, run, spawn

# What a shell user takes for at once.
START_SECONDS = 0.15


def commands() -> Iterator[tuple[str, ...]]:
    for name, parser in subcommands(build()).items():
        yield (name,)
        yield from ((name, inner) for inner in subcommands(parser))


def parser_of(words: tuple[str, ...]) -> argparse.ArgumentParser:
    parser = build()
    for word in words:
        parser = subcommands(parser)[word]
    return parser


def test_every_command_that_was_promised_is_there() -> None:
    promised = (
        "pull create-image chain map plan list get watch wait pause resume cancel "
        "complete finalize dismiss set limit explain top capabilities completion help"
    )
    assert set(promised.split()) <= set(subcommands(build()))


@pytest.mark.parametrize("words", list(commands()))
def test_help_has_an_example_that_is_a_command(words: tuple[str, ...]) -> None:
    shown = run(*words, "--help")
    assert shown.code == 0
    _, _, examples = shown.out.partition("example:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    for line in lines:
        program, *arguments = line.split(" > ")[0].split()
        assert program == "longshore"
        build().parse_args(arguments)


@pytest.mark.parametrize("words", list(commands()))
def test_every_word_of_a_command_is_explained(words: tuple[str, ...]) -> None:
    silent = [
        action.dest
        for action in parser_of(words)._actions
        if not action.help and not action.choices
    ]
    assert silent == []


def test_help_explains_the_exit_codes() -> None:
    shown = run("help", "exit-codes")
    for code, meaning in MEANINGS.items():
        assert f"{int(code):>4}  {meaning}" in shown.lines
    assert set(MEANINGS) == set(Exit)


def test_help_explains_the_units() -> None:
    assert "powers of 1024" in run("help", "units").out


@pytest.mark.parametrize(
    ("topic", "words"),
    [("on-error", ON_ERROR), ("on-conflict", ("fail", "queue", "return"))],
)
def test_help_explains_what_each_word_does(topic: str, words: tuple[str, ...]) -> None:
    lines = run("help", topic).lines
    assert [word for word in words if any(f"  {word} " in line for line in lines)] == [
        *words
    ]
    assert f"longshore help {topic}" in " ".join(run("pull", "--help").out.split())


def test_help_explains_a_command() -> None:
    assert run("help", "pull").out == run("pull", "--help").out


def test_help_alone_is_the_help_of_all() -> None:
    assert run("help").out == run("--help").out


def test_help_of_what_is_not_there_is_an_error() -> None:
    assert run("help", "nonsense").code == 2


def test_the_version_is_told() -> None:
    assert run("--version").out.startswith("longshore 0")


def test_a_word_that_is_nearly_right_is_guessed() -> None:
    shown = run("lsit")
    assert shown.code == 2
    assert "did you mean list?" in shown.err


def test_options_are_not_guessed() -> None:
    assert run("pull", "/a", "--wai").code == 2


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], {"grpc", "google.protobuf", "asyncio", "rich", "shtab"}),
        pytest.param(
            ["-s", "unix:/nowhere.sock", "list"],
            {"rich", "shtab"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_command_loads_only_what_it_uses(words: list[str], heavy: set[str]) -> None:
    code = (
        "import sys\n"
        "from longshore.cli.main import main\n"
        f"try: main({words})\n"
        "except SystemExit: pass\n"
        f"print('loaded', *{heavy} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded"


def test_help_is_there_at_once() -> None:
    def seconds() -> float:
        """Of the processor: a busy machine says nothing about the code."""
        process = subprocess.Popen([*PROGRAM, "--help"], stdout=subprocess.DEVNULL)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        return used.ru_utime + used.ru_stime

    assert min(seconds() for _ in range(3)) < START_SECONDS


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    program = " ".join(PROGRAM)
    piped = f"{program} help units | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", piped], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_it_runs_as_a_module() -> None:
    assert spawn("help", "units").code == 0
