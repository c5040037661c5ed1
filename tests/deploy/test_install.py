"""deploy/install.sh under a root of its own: what it puts, keeps and takes away."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.units import analyze

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "deploy" / "install.sh"
PROGRAMS = ("longshored", "longshore")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without asking anybody for anything."""
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    build = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(out), str(ROOT)]
    subprocess.run(build, check=True, timeout=50)
    (wheel,) = out.glob("*.whl")
    return wheel


class Target:
    """A root to install under."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        self.directory = directory
        self.wheel = wheel

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(INSTALL), *words],
            env={
                **os.environ,
                "DESTDIR": str(self.directory),
                "PYTHON": sys.executable,
                # What the wheel needs is not what is tested.
                "PIP_NO_INDEX": "1",
                "PIP_NO_DEPS": "1",
                "PIP_NO_COMPILE": "1",
            },
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    def install(self, *words: str) -> None:
        done = self.run("--wheel", str(self.wheel), *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def path(self, name: str) -> Path:
        return self.directory / name

    def listing(self) -> dict[str, int]:
        """Every file but the program's own, and its mode."""
        return {
            str(path.relative_to(self.directory)): path.lstat().st_mode
            for path in sorted(self.directory.rglob("*"))
            if "opt/longshore" not in str(path)
            and (path.is_file() or path.is_symlink())
        }


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path
) -> Iterator[Target]:
    target = Target(tmp_path_factory.mktemp("root"), wheel)
    target.install("--image-root", "/data/images", "--with", "libvirt")
    yield target
    shutil.rmtree(target.directory)


@pytest.fixture
def target(installed: Target, tmp_path: Path, wheel: Path) -> Target:
    """A copy of what is installed, to be changed."""
    copy = tmp_path / "root"
    shutil.copytree(installed.directory, copy, symlinks=True)
    return Target(copy, wheel)


def test_the_program_runs_from_where_the_unit_looks(installed: Target) -> None:
    program = installed.path("opt/longshore/bin/longshored")
    done = subprocess.run(
        [str(program), "--version"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_are_on_the_path(installed: Target, name: str) -> None:
    link = installed.path(f"usr/local/bin/{name}")
    assert link.readlink() == Path(f"/opt/longshore/bin/{name}")
    assert installed.path(f"opt/longshore/bin/{name}").exists()


def test_a_program_of_someone_else_s_stays_on_the_path(target: Target) -> None:
    theirs = [target.path(f"usr/local/bin/{name}") for name in PROGRAMS]
    for path in theirs:
        path.unlink()
    theirs[0].write_text("theirs")
    theirs[1].symlink_to("/elsewhere/longshore")
    done = target.run("--wheel", str(target.wheel))
    assert done.returncode == 0, done.stderr
    assert [f"{path} is not ours" in done.stderr for path in theirs] == [True, True]
    target.run("--uninstall")
    assert theirs[0].read_text() == "theirs"
    assert theirs[1].readlink() == Path("/elsewhere/longshore")


def test_the_manager_finds_nothing_wrong_with_what_is_installed(
    target: Target,
) -> None:
    # What every system has, so that only ours can be missing.
    for name in ("bin/sh", "usr/bin/sh"):
        tool = target.path(name)
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
    unit = "/etc/systemd/system/longshored.service"
    done = analyze(
        "verify", "--recursive-errors=no", f"--root={target.directory}", unit
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_root_of_images_is_writable_and_set(installed: Target) -> None:
    drop_ins = installed.path("etc/systemd/system/longshored.service.d")
    assert "ReadWritePaths=-/data/images" in (drop_ins / "images.conf").read_text()
    assert (drop_ins / "libvirt.conf").exists()
    assert not (drop_ins / "block-devices.conf").exists()
    settings = installed.path("etc/longshore/longshored.toml").read_text()
    assert 'roots = ["/data/images"]' in settings


def test_to_run_it_again_changes_nothing_but_the_program(target: Target) -> None:
    settings = target.path("etc/longshore/longshored.toml")
    settings.write_text("# the operator's own\n")
    before = target.listing()
    target.install()
    assert target.listing() == before
    assert settings.read_text() == "# the operator's own\n"
    images = target.path("etc/systemd/system/longshored.service.d/images.conf")
    assert "/data/images" in images.read_text()


def test_uninstalling_keeps_settings_and_jobs(target: Target) -> None:
    job = target.path("var/lib/longshore/jobs.sqlite")
    job.parent.mkdir(parents=True)
    job.write_text("jobs")
    own = target.path("etc/systemd/system/longshored.service.d/own.conf")
    own.write_text("[Service]\nNice=5\n")
    done = target.run("--uninstall")
    assert done.returncode == 0, done.stderr
    kept = {
        "etc/longshore/longshored.toml",
        "etc/systemd/system/longshored.service.d/own.conf",
        "var/lib/longshore/jobs.sqlite",
    }
    assert target.listing().keys() == kept
    assert not target.path("opt/longshore").exists()


def test_purging_leaves_nothing(target: Target) -> None:
    done = target.run("--uninstall", "--purge")
    assert done.returncode == 0, done.stderr
    assert target.listing() == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--wheel", "/nowhere.whl"], "no wheel"),
        (["--image-root"], "needs a value"),
        (["--frobnicate"], "unknown option"),
        (["--with", "magic"], "no drop-in magic"),
        (["--image-root", "images"], "must be absolute"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(
    tmp_path: Path, wheel: Path, words: list[str], told: str
) -> None:
    target = Target(tmp_path / "root", wheel)
    known = [] if "--wheel" in words else ["--wheel", str(wheel)]
    done = target.run(*known, *words)
    assert done.returncode == 1
    assert told in done.stderr
    assert not target.directory.exists()
