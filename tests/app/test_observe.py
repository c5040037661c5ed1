"""What metrics and traces need is told when it is not installed."""

import subprocess
import sys

import pytest

# A process of its own, in which a package cannot be imported.
WITHOUT = """
import sys
sys.modules[{package!r}] = None
from longshored.app.command import main
sys.exit(main(["config", "check", "--root", "/usr"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "variable", "value", "extra"),
    [
        ("prometheus_client", "LONGSHORE_METRICS__LISTEN", "127.0.0.1:0", "metrics"),
        ("opentelemetry", "LONGSHORE_TRACES__ENDPOINTS", "http://c/", "otel"),
    ],
)
def test_an_extra_that_is_wanted_and_not_there_is_named(
    package: str, variable: str, value: str, extra: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(package=package)],
        env={"PYTHONPATH": ":".join(sys.path), variable: value},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1
    assert f"pip install 'longshore[{extra}]'" in done.stderr
    assert package in done.stderr


@pytest.mark.slow
def test_without_them_the_daemon_needs_nothing_of_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(package="prometheus_client")],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
