"""The permission rule, cell by cell and against QEMU's own use of it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.job.nodes import (
    EVERYTHING,
    NOTHING,
    Node,
    Permission,
    Role,
    clash,
    clashes,
)

P = Permission
READ, WRITE, UNCHANGED, RESIZE = (
    P.CONSISTENT_READ,
    P.WRITE,
    P.WRITE_UNCHANGED,
    P.RESIZE,
)


def node(taken: Permission, shared: Permission, key: str = "8:1") -> Node:
    return Node(key, Role.TOP, "/images/a", taken, shared)


# What QEMU's jobs take and share on each node (facts of QEMU 10.2).
STREAM_TOP = node(READ, READ | UNCHANGED | WRITE)
STREAM_LINK = node(NOTHING, READ | UNCHANGED)
COMMIT_BASE = node(READ | WRITE, READ | UNCHANGED)
COMMIT_LINK = node(NOTHING, UNCHANGED | WRITE)
MIRROR_SOURCE = node(READ, READ | UNCHANGED | WRITE)
MIRROR_TARGET = node(WRITE, UNCHANGED)
GUEST = node(READ | WRITE | UNCHANGED | RESIZE, READ | UNCHANGED | WRITE | RESIZE)
READER = node(READ, EVERYTHING)

TOGETHER = [
    (STREAM_TOP, READER),
    (STREAM_LINK, READER),
    (STREAM_LINK, STREAM_LINK),
    (MIRROR_SOURCE, READER),
    (STREAM_TOP, MIRROR_SOURCE),
]
APART = [
    (STREAM_TOP, GUEST, RESIZE),
    (STREAM_LINK, COMMIT_BASE, WRITE),
    (STREAM_LINK, MIRROR_TARGET, WRITE),
    (COMMIT_BASE, COMMIT_BASE, WRITE),
    (COMMIT_LINK, STREAM_TOP, READ),
    (MIRROR_TARGET, READER, READ),
    (MIRROR_TARGET, MIRROR_TARGET, WRITE),
]


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_jobs_that_qemu_lets_share_a_node_do_not_clash(one: Node, other: Node) -> None:
    assert clash(one, other) is None


@pytest.mark.parametrize(("one", "other", "why"), APART)
def test_jobs_that_qemu_keeps_apart_clash(
    one: Node, other: Node, why: Permission
) -> None:
    found = clash(one, other)
    assert found is not None
    assert why in found.permission


@pytest.mark.parametrize(("taken", "shared"), list(product(Permission, Permission)))
def test_one_permission_clashes_exactly_if_it_is_not_shared(
    taken: Permission, shared: Permission
) -> None:
    wanted, held = node(taken, EVERYTHING), node(NOTHING, shared)
    found = clash(wanted, held)
    assert (found is None) == (taken is shared)


permissions = st.integers(0, EVERYTHING.value).map(Permission)


@given(permissions, permissions, permissions, permissions)
def test_who_comes_first_makes_no_difference(
    a: Permission, b: Permission, c: Permission, d: Permission
) -> None:
    one, other = node(a, b), node(c, d)
    first, second = clash(one, other), clash(other, one)
    assert (first and first.permission) == (second and second.permission)


def test_different_nodes_never_clash() -> None:
    one, other = node(EVERYTHING, NOTHING), node(EVERYTHING, NOTHING, key="8:2")
    assert clash(one, other) is None


def test_every_clash_of_two_jobs_is_found() -> None:
    mine = [node(WRITE, NOTHING, "a"), node(WRITE, NOTHING, "b")]
    theirs = [node(READ, EVERYTHING, "a"), node(READ, EVERYTHING, "b")]
    assert [found.wanted.key for found in clashes(mine, theirs)] == ["a", "b"]
