"""Opens below the roots: what is found, what is refused, what is never touched."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshored.block.node import Mode
from longshored.block.roots import Roots
from longshored.errors import Kind, ServiceError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    (tmp_path / "canary").write_bytes(b"secret")
    (path / "a.raw").write_bytes(b"hello")
    return path


@pytest.fixture
def roots(root: Path) -> Iterator[Roots]:
    opened = Roots.open([str(root)])
    yield opened
    opened.close()


def read(roots: Roots, path: object, mode: Mode = Mode.READ) -> bytes:
    fd = roots.open_file(roots.resolve(str(path)), mode)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def refused(roots: Roots, path: object, mode: Mode = Mode.READ) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        read(roots, path, mode)
    return caught.value


def test_a_file_below_the_root_is_opened(roots: Roots, root: Path) -> None:
    assert read(roots, root / "a.raw") == b"hello"


def test_a_file_for_writing_can_be_read_too(roots: Roots, root: Path) -> None:
    assert read(roots, root / "a.raw", Mode.WRITE) == b"hello"


def test_descriptors_are_closed_on_exec(roots: Roots, root: Path) -> None:
    fd = roots.open_file(roots.resolve(str(root / "a.raw")), Mode.READ)
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_a_path_outside_names_the_roots(roots: Roots, root: Path) -> None:
    error = refused(roots, root.parent / "canary")
    assert error.kind is Kind.PERMISSION_DENIED
    assert error.facts["roots"] == str(root)


def test_a_sibling_with_the_same_beginning_is_outside(roots: Roots, root: Path) -> None:
    assert refused(roots, f"{root}-other/a").kind is Kind.PERMISSION_DENIED


def test_a_missing_file_is_not_found(roots: Roots, root: Path) -> None:
    error = refused(roots, root / "missing")
    assert error.kind is Kind.TARGET_NOT_FOUND
    assert error.facts["uri"] == str(root / "missing")


def test_a_file_used_as_directory_is_not_found(roots: Roots, root: Path) -> None:
    assert refused(roots, root / "a.raw" / "b").kind is Kind.TARGET_NOT_FOUND


@pytest.mark.parametrize("mode", list(Mode))
def test_a_fifo_is_named_and_does_not_hang(
    roots: Roots, root: Path, mode: Mode
) -> None:
    os.mkfifo(root / "fifo")
    error = refused(roots, root / "fifo", mode)
    assert (error.kind, error.facts["found"]) == (Kind.TARGET_WRONG_STATE, "a FIFO")


@pytest.mark.parametrize("mode", list(Mode))
def test_a_directory_is_named(roots: Roots, root: Path, mode: Mode) -> None:
    (root / "sub").mkdir()
    assert refused(roots, root / "sub", mode).facts["found"] == "a directory"


def test_the_root_itself_is_a_directory(roots: Roots, root: Path) -> None:
    assert refused(roots, root).facts["found"] == "a directory"


def test_a_socket_is_named(roots: Roots, root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        assert refused(roots, root / "socket").facts["found"] == "a socket"


@pytest.mark.parametrize("device", ["zero", "stdin", "tty"])
def test_character_devices_are_never_opened(device: str) -> None:
    roots = Roots.open(["/dev"])
    error = refused(roots, f"/dev/{device}")
    roots.close()
    assert error.kind in (Kind.TARGET_WRONG_STATE, Kind.PERMISSION_DENIED)


def test_proc_cannot_smuggle_a_descriptor(root: Path) -> None:
    roots = Roots.open(["/proc"])
    with (root / "a.raw").open("rb") as file:
        error = refused(roots, f"/proc/{os.getpid()}/fd/{file.fileno()}")
    roots.close()
    assert error.kind in (Kind.TARGET_WRONG_STATE, Kind.PERMISSION_DENIED)


@pytest.mark.parametrize("target", ["../canary", "sub/../../canary"])
def test_a_link_that_leads_out_is_refused(
    roots: Roots, root: Path, target: str
) -> None:
    (root / "sub").mkdir()
    (root / "link").symlink_to(target)
    error = refused(roots, root / "link")
    assert error.kind is Kind.PERMISSION_DENIED
    assert "root" in error.message


def test_an_absolute_link_is_refused(roots: Roots, root: Path) -> None:
    (root / "link").symlink_to(root / "a.raw")
    assert refused(roots, root / "link").kind is Kind.PERMISSION_DENIED


def test_a_directory_link_that_leads_out_is_refused(roots: Roots, root: Path) -> None:
    (root / "link").symlink_to("..")
    assert refused(roots, root / "link" / "canary").kind is Kind.PERMISSION_DENIED


def test_a_link_inside_the_root_is_followed(roots: Roots, root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "link").symlink_to("../a.raw")
    assert read(roots, root / "sub" / "link") == b"hello"


def test_a_loop_of_links_is_refused(roots: Roots, root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    assert refused(roots, root / "one").kind is Kind.TARGET_WRONG_STATE


def test_a_root_may_be_a_link_and_answers_to_both_names(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    roots = Roots.open([str(link)])
    assert read(roots, link / "a.raw") == b"hello"
    assert read(roots, root / "a.raw") == b"hello"
    roots.close()


def test_a_root_that_is_swapped_for_a_link_stays_what_it_was(
    roots: Roots, root: Path
) -> None:
    root.rename(root.parent / "moved")
    root.symlink_to("/etc")
    assert read(roots, root / "a.raw") == b"hello"


def test_of_nested_roots_the_inner_one_counts(root: Path) -> None:
    (root / "inner").mkdir()
    (root / "inner" / "link").symlink_to("../a.raw")
    roots = Roots.open([str(root), str(root / "inner")])
    error = refused(roots, root / "inner" / "link")
    roots.close()
    assert error.kind is Kind.PERMISSION_DENIED


def test_a_directory_that_is_swapped_for_a_link_never_leads_out(
    roots: Roots, root: Path
) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "canary").write_bytes(b"inside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "sub").rename(root / "away")
            (root / "sub").symlink_to("..")
            (root / "sub").unlink()
            (root / "away").rename(root / "sub")

    thread = threading.Thread(target=swap)
    thread.start()
    seen: set[object] = set()
    for _ in range(500):
        try:
            seen.add(read(roots, root / "sub" / "canary"))
        except ServiceError as error:
            seen.add(error.kind)
    stop.set()
    thread.join()
    assert seen <= {b"inside", Kind.TARGET_NOT_FOUND, Kind.PERMISSION_DENIED}


def test_without_roots_nothing_can_be_opened() -> None:
    error = refused(Roots.open([]), "/etc/passwd")
    assert error.facts["roots"] == "none"


@pytest.mark.parametrize("directory", ["relative", "/nonexistent/dir", "/etc/passwd"])
def test_a_root_must_be_an_existing_directory(directory: str) -> None:
    with pytest.raises(ServiceError, match="root") as caught:
        Roots.open([directory])
    assert caught.value.kind is Kind.FIELD_INVALID


def test_two_names_of_one_file_have_one_identity(roots: Roots, root: Path) -> None:
    os.link(root / "a.raw", root / "hard")
    (root / "soft").symlink_to("a.raw")
    names = [roots.resolve(str(root / name)) for name in ("a.raw", "hard", "soft")]
    assert len({roots.identify(place) for place in names}) == 1


def test_identify_refuses_a_fifo_without_opening_it(roots: Roots, root: Path) -> None:
    os.mkfifo(root / "fifo")
    with pytest.raises(ServiceError, match="FIFO"):
        roots.identify(roots.resolve(str(root / "fifo")))


# References: names that images carry.


def test_a_relative_reference_counts_from_the_image(roots: Roots, root: Path) -> None:
    image = roots.resolve(str(root / "sub" / "top.qcow2"))
    place = roots.refer(image, "base.raw")
    assert place.path == str(root / "sub" / "base.raw")


def test_a_reference_with_dots_is_walked_as_the_kernel_does(
    roots: Roots, root: Path
) -> None:
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "a.raw").write_bytes(b"right")
    (root / "link").symlink_to("deep/er")
    image = roots.resolve(str(root / "link" / "top.qcow2"))
    fd = roots.open_file(roots.refer(image, "../a.raw"), Mode.READ)
    assert os.read(fd, 10) == b"right"
    os.close(fd)


def test_a_reference_by_the_real_path_of_a_linked_root_is_inside(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    roots = Roots.open([str(link)])
    place = roots.refer(roots.resolve(str(link / "t.qcow2")), str(root / "a.raw"))
    roots.close()
    assert place.relative == "a.raw"


@pytest.mark.parametrize(
    "name",
    [
        "../canary",
        "{root}/../canary",
        "file:{root}/../canary",
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/dev/stdin",
        "/dev/zero",
        "/etc/passwd",
        "json:{{}}",
        "nbd://127.0.0.1/",
        "http://127.0.0.1/",
        "a\nb",
        "a\udcffb",
        "fifo",
        "dir",
        "escape",
        "escape-absolute",
        "",
        "..",
    ],
)
def test_no_reference_reaches_anything_but_an_image_below_a_root(
    roots: Roots, root: Path, name: str
) -> None:
    os.mkfifo(root / "fifo")
    (root / "dir").mkdir()
    (root / "escape").symlink_to("../canary")
    (root / "escape-absolute").symlink_to(root.parent / "canary")
    image = roots.resolve(str(root / "top.qcow2"))
    with pytest.raises(ServiceError):
        roots.open_file(roots.refer(image, name.format(root=root)), Mode.READ)
