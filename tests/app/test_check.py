"""`longshored config check`: what would end a start, found without changing a thing."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest

from longshored.app.command import main
from longshored.app.statedir import check_state, holder
from longshored.errors import ServiceError
from longshored.store.lock import take_lock

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that others may look into, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "images").mkdir()
        yield place


Said = Callable[..., tuple[int, str]]


@pytest.fixture
def said(place: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Checks; with the exit code comes what was said, on stdout or stderr."""

    def check(state: Path, *more: str) -> tuple[int, str]:
        root = str(place / "images")
        code = main(["config", "check", "--root", root, "--state", str(state), *more])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return check


@contextmanager
def someone_else() -> Iterator[None]:
    """Inside, we are a user without rights; who is none of root's has them not."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def refusal(directory: Path) -> str:
    with pytest.raises(ServiceError) as caught:
        check_state(directory)
    (violation,) = caught.value.violations
    assert violation.field == "store.directory"
    return violation.description


def test_nothing_is_made_and_nothing_changed(place: Path, said: Said) -> None:
    state = place / "state"
    assert said(state / "deep")[0] == 0
    assert not state.exists()
    state.mkdir(mode=0o755)
    assert said(state) == (0, "The settings are good\n")
    assert (list(state.iterdir()), state.stat().st_mode & 0o777) == ([], 0o755)


def test_every_root_that_cannot_be_opened_is_named(place: Path, said: Said) -> None:
    file = place / "file"
    file.touch()
    code, text = said(place / "state", "--root", "/absent", "--root", str(file))
    assert code == 1
    assert text.splitlines() == [
        "longshored: images.roots: /absent cannot be opened: No such file or directory",
        f"longshored: images.roots: {file} cannot be opened: Not a directory",
    ]


def test_all_that_is_wrong_is_said_at_once(place: Path, said: Said) -> None:
    file = place / "file"
    file.touch()
    code, text = said(file, "--root", "/absent", "--listen", "nowhere")
    assert code == 1
    fields = [line.split(": ")[1] for line in text.splitlines()]
    assert fields == ["server.listen", "images.roots", "store.directory"]


def test_a_file_in_the_way_is_told(place: Path) -> None:
    file = place / "file"
    file.touch()
    assert refusal(file).endswith(f"{file} is no directory")
    assert "Not a directory" in refusal(file / "state")
    link = place / "link"
    link.symlink_to("nowhere")
    assert "leads nowhere" in refusal(link / "state")


def test_a_directory_that_may_not_be_made_or_used_is_told(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o555)
    theirs = place / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    with someone_else():
        assert f"may not make it in {closed}" in refusal(closed / "a" / "b")
        assert f"may not write to {closed}" in refusal(closed)
        if os.geteuid() == NOBODY:
            assert "another user" in refusal(theirs)


def test_a_store_that_may_not_be_written_is_told(place: Path) -> None:
    state = place / "state"
    state.mkdir()
    database = state / "jobs.sqlite"
    database.touch(mode=0o444)
    if os.geteuid() == 0:
        os.chown(state, NOBODY, -1)
    with someone_else():
        assert f"may not write to {database}" in refusal(state)


def test_a_daemon_that_has_the_state_is_a_note(place: Path, said: Said) -> None:
    state = place / "state"
    state.mkdir()
    held = take_lock(state)
    try:
        code, text = said(state)
    finally:
        os.close(held)
    assert code == 0
    assert f"(pid {os.getpid()}) has {state}" in text
    assert holder(state) is None


@pytest.mark.parametrize("below", ["images", "images/deep/state", "link/state"])
def test_a_state_directory_among_images_is_refused(
    place: Path, said: Said, below: str
) -> None:
    (place / "link").symlink_to("images")
    code, text = said(place / below)
    assert code == 1
    assert f"{place / below} lies in {place / 'images'}" in text


def test_images_below_the_state_are_not_among_them(place: Path, said: Said) -> None:
    assert said(place)[0] == 0
    assert said(place / "images-of-old")[0] == 0


def test_paths_of_the_command_line_count_from_where_it_is_typed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with chdir(place):
        assert main(["config", "show", "--root", "images", "--state", "a/../b"]) == 0
    shown = capsys.readouterr().out
    assert f'roots = ["{place}/images"]' in shown
    assert f'directory = "{place}/a/../b"' in shown


def test_a_start_says_at_once_all_that_is_wrong(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--root", "/absent", "--listen", "nowhere", "--state", str(place / "s")]
    assert main(["serve", *words, "--token-file", "/absent"]) == 1
    lines = capsys.readouterr().err.splitlines()
    fields = [line.split(": ")[1] for line in lines]
    assert fields == ["server.listen", "images.roots", "access.token_file"]
    assert not (place / "s").exists()
