"""Completion: scripts that parse, and what bash makes of one of them."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from longshore.cli.exits import Exit
from longshore.cli.verbs import OPTIONS
from tests.support.fakeserver import FakeServer
from tests.support.shell import PROGRAM, run, spawn, without

Offered = Callable[..., list[str]]


@pytest.fixture
def offered(tmp_path: Path, server: FakeServer) -> Offered:
    """What bash offers for the last of some words."""
    program = tmp_path / "longshore"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "completion"
    script.write_text(run("completion", "bash").out)

    def offer(*words: str) -> list[str]:
        typed = (
            f"source {shlex.quote(str(script))}\n"
            f"COMP_WORDS=(longshore {shlex.join(words)}); COMP_CWORD={len(words)}\n"
            '_shtab_longshore; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", typed],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "LONGSHORE_ADDRESS": server.address,
            },
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return offer


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_script_parses(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run("completion", shell).out)
    # Where only bash is there, the others at least know whom to ask for jobs.
    if shutil.which(shell) is None:
        assert "longshore list -n 100 -o name" in script.read_text()
        return
    subprocess.run([shell, "-n", str(script)], check=True)


def test_a_shell_that_is_not_known_is_refused() -> None:
    assert run("completion", "ksh").code == Exit.USAGE


@pytest.mark.slow
def test_without_shtab_it_says_what_to_install(tmp_path: Path) -> None:
    shown = spawn("completion", "bash", env=without("shtab", tmp_path))
    assert (shown.code, shown.out) == (Exit.FAILED, "")
    assert shown.err == (
        "error: completion scripts are made by shtab: pip install shtab\n"
    )


def test_commands_are_offered(offered: Offered) -> None:
    assert offered("pu") == ["pull"]
    assert "watch" in offered("")


def test_options_of_the_command_are_offered(offered: Offered) -> None:
    assert offered("pull", "--ra") == ["--rate"]
    assert "--wait" in offered("pull", "/top", "-")


def test_commands_within_commands_are_offered(offered: Offered) -> None:
    assert offered("plan", "") == ["pull"]
    assert offered("plan", "pull", "--bas") == ["--base", "--base-format"]


def test_values_that_are_known_are_offered(offered: Offered) -> None:
    assert offered("-o", "js") == ["json", "jsonl"]
    assert offered("pull", "--on-conflict", "") == ["fail", "queue", "return"]
    assert offered("completion", "") == ["bash", "zsh", "tcsh"]


@pytest.mark.parametrize(
    "words",
    [
        ("pull",),
        ("pull", "--base"),
        ("plan", "pull"),
        ("create-image",),
        ("create-image", "new", "--backing"),
        ("chain",),
        ("map",),
        ("limit", "device"),
    ],
)
def test_where_an_image_stands_files_are_offered(
    offered: Offered, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "top.qcow2").touch()
    assert offered(*words, "to") == ["top.qcow2"]


@pytest.mark.slow
def test_jobs_are_offered_by_the_daemon(offered: Offered, server: FakeServer) -> None:
    server.put("alpha")
    server.put("beta")
    assert sorted(offered("pause", "")) == ["alpha", "beta"]
    assert offered("pause", "alpha", "b") == ["beta"]
    assert offered("pull", "--after", "al") == ["alpha"]


@pytest.mark.slow
def test_where_one_job_stands_no_second_is_offered(
    offered: Offered, server: FakeServer
) -> None:
    server.put("alpha")
    assert offered("watch", "al") == ["alpha"]
    assert offered("watch", "alpha", "") == []


@pytest.mark.slow
def test_without_a_daemon_nothing_is_offered(
    offered: Offered, server: FakeServer
) -> None:
    server.stop()
    assert offered("pause", "") == []


def test_what_may_be_set_is_offered(offered: Offered) -> None:
    assert "window=" in offered("set", "a", "")
    assert offered("set", "a", "on-error=s") == ["on-error=skip", "on-error=stop"]
    assert offered("set", "a", "rate=1M", "pri") == ["priority=", "priority=none"]


def test_every_option_has_words_to_choose_from(offered: Offered) -> None:
    names = [word.partition("=")[0] for word in offered("set", "a", "")]
    assert set(names) == set(OPTIONS)
    assert all(names.count(name) > 1 for name in OPTIONS)
