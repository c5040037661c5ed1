import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import ROWS

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.timeout(120)
@pytest.mark.parametrize("row", sorted(ROWS))
def test_each_row_of_the_bench_runs_at_a_tiny_size(row: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", row, "--quick", "--no-peers"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert "== goals" in done.stdout
