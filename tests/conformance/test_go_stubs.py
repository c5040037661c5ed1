"""The Go stubs, which alone are committed, are those of the contract in the tree."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GO = Path(__file__).parents[2] / "clients" / "go"


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "longshorev1").iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if shutil.which("go") is None and os.environ.get("CI") != "true":
        pytest.skip("go is missing")
    out = tmp_path_factory.mktemp("stubs")
    buf = Path(sys.executable).parent / "buf"
    command = ["make", "-s", "-C", str(GO), "generate", f"OUT={out}", f"BUF={buf}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return texts(out)


# The plugins are compiled the first time.
@pytest.mark.clients
@pytest.mark.timeout(300)
def test_the_go_stubs_are_made_from_the_contract_in_the_tree(
    made: dict[str, str],
) -> None:
    found = texts(GO)
    assert found.keys() == made.keys()
    different = [name for name in made if made[name] != found[name]]
    assert different == [], "make -C clients/go generate"
