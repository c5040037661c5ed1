"""What the documents tell people to type works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def block(heading: str, language: str) -> str:
    """The first fenced block of a language after a heading or a line."""
    rest = README[README.index(heading) :]
    found = re.search(rf"```{language}\n(.*?)```", rest, re.DOTALL)
    assert found, f"no {language} block after {heading!r}"
    return found[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home, a state directory and a socket of the test's own."""
    address = f"unix:{tmp_path / 'run' / 'longshored.sock'}"
    return {
        **os.environ,
        "HOME": str(tmp_path),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "LONGSHORE_ADDRESS": address,
        "LONGSHORE_SERVER__LISTEN": address,
        "LONGSHORE_STORE__DIRECTORY": str(tmp_path / "state"),
    }


def session(lines: str) -> str:
    """The README's session, without the set-up that this test runs in."""
    typed = [line for line in lines.splitlines() if not line.startswith("make setup")]
    # A person needs a moment before the next line; a script has to wait.
    awaited = "until longshored probe >/dev/null 2>&1; do sleep 0.1; done"
    script = "\n".join(typed).replace(" &\n", f" &\n{awaited}\n", 1)
    # The daemon ends with the session, however that ends.
    return f"set -eu\ntrap 'kill %1; wait %1' EXIT\n{script}\n"


@pytest.mark.slow
def test_the_first_session_works_as_it_is_written(
    environment: dict[str, str], tmp_path: Path
) -> None:
    script = session(block("## A first session by hand", "sh"))
    # Less data than a person would take, and so slow that the job is still at work
    # when the next line is typed, on any machine.
    for typed, here in (
        ("count=500", "count=40"),
        ("--rate 50MiB", "--rate 1MiB"),
        ("rate=100MiB", "rate=6MiB"),
    ):
        assert typed in script
        script = script.replace(typed, here)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert "top.qcow2" in last, "the last chain is the top alone"


def test_the_python_of_the_readme_is_python_of_the_library() -> None:
    code = compile(block("In Python:", "python"), "README.md", "exec")
    assert {"Client", "pull", "watch", "wait"} <= set(code.co_names)


@pytest.mark.parametrize("name", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(name: str) -> None:
    assert (ROOT / name).exists()
