"""Completion: scripts that parse, candidates from the parser and from the daemon."""

import shutil
import subprocess
from pathlib import Path

import pytest

from longshore.cli.complete import SCRIPTS
from tests.support.fakeserver import FakeServer
from tests.support.shell import PROGRAM, run


def offered(*words: str) -> list[str]:
    return run("__complete", *words).lines


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_parses(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run("completion", shell).out)
    # Where only bash is there, it at least reads the others' words.
    if shutil.which(shell) is None:
        assert "longshore __complete" in script.read_text()
        return
    subprocess.run([shell, "-n", str(script)], check=True)


def test_bash_completes_with_it(tmp_path: Path) -> None:
    program = tmp_path / "longshore"
    program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    asked = (
        f"PATH={tmp_path}:$PATH\n{SCRIPTS['bash']}\n"
        "COMP_WORDS=(longshore create-); COMP_CWORD=1\n"
        '_longshore; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout == "create-image\n"


def test_a_shell_that_is_not_known_is_refused() -> None:
    assert run("completion", "csh").code == 2


def test_commands_are_offered() -> None:
    assert offered("pu") == ["pull"]
    assert "watch" in offered("")


def test_options_of_the_command_are_offered() -> None:
    assert offered("pull", "--ra") == ["--rate"]
    assert "--wait" in offered("pull", "/top", "-")


def test_commands_within_commands_are_offered() -> None:
    assert offered("plan", "") == ["pull"]
    assert offered("plan", "pull", "--bas") == ["--base", "--base-format"]


def test_values_that_are_known_are_offered() -> None:
    assert offered("-o", "js") == ["json", "jsonl"]
    assert offered("pull", "--on-conflict", "") == ["fail", "queue", "return"]
    assert offered("completion", "") == ["bash", "fish", "zsh"]


def test_where_a_path_stands_the_shell_is_left_to_it() -> None:
    assert offered("pull", "/srv") == []
    assert offered("pull", "--base", "/srv") == []


def test_jobs_are_offered_by_the_daemon(server: FakeServer) -> None:
    server.put("alpha")
    server.put("beta")
    assert offered("-s", server.address, "pause", "") == ["alpha", "beta"]
    assert offered("-s", server.address, "pause", "alpha", "b") == ["beta"]
    assert offered("-s", server.address, "get", "al") == ["alpha"]


def test_where_one_job_stands_no_second_is_offered(server: FakeServer) -> None:
    server.put("alpha")
    assert offered("-s", server.address, "explain", "alpha", "") == []


def test_without_a_daemon_nothing_is_offered() -> None:
    assert offered("-s", "unix:/nowhere.sock", "pause", "") == []
    assert offered("-s", "nonsense", "pause", "") == []
