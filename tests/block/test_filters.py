"""What each filter adds; that it adds nothing else is the suite's business."""

import errno
import threading
from collections.abc import Callable, Iterator

import pytest

from longshored.block.extent import Data, Extent
from longshored.block.filters.base import Filter
from longshored.block.filters.fault import Fault, Operation, Rule
from longshored.block.filters.guard import ContractBroken, Guard
from longshored.block.filters.throttle import Throttle
from longshored.block.filters.trace import Trace
from longshored.block.memory import MemoryNode
from longshored.block.node import BlockNode, Limits, Mode, pread
from longshored.block.open import stack
from longshored.errors import Kind, ServiceError
from tests.support.nodes import OpenGate

SIZE = 8192


class Picky(Filter):
    """A node that wants aligned requests of at most 1024 bytes."""

    @property
    def limits(self) -> Limits:
        return Limits(alignment=512, max_request=1024)


class Liar(Filter):
    """A node whose extents are what the test says."""

    def __init__(self, answer: list[Extent]) -> None:
        super().__init__(MemoryNode(SIZE))
        self.answer = answer

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        return iter(self.answer)


def buffer(length: int) -> memoryview:
    return memoryview(bytearray(length))


WRONG: dict[str, Callable[[BlockNode], object]] = {
    "read past the end": lambda node: node.readinto(SIZE - 1, buffer(2)),
    "read before the start": lambda node: node.readinto(-1, buffer(2)),
    "write past the end": lambda node: node.pwrite(SIZE, b"x"),
    "zero past the end": lambda node: node.write_zeroes(1, SIZE),
    "discard of a negative length": lambda node: node.discard(10, -1),
    "map past the end": lambda node: node.extents(0, SIZE + 1),
    "read into bytes": lambda node: node.readinto(0, memoryview(b"xx")),
    "read into words": lambda node: node.readinto(0, buffer(8).cast("I")),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
def test_guard_stops_a_call_that_breaks_the_contract(
    call: Callable[[BlockNode], object],
) -> None:
    trace = Trace(MemoryNode(SIZE))
    with pytest.raises(ContractBroken):
        call(Guard(trace))
    assert trace.log == []


@pytest.mark.parametrize(
    "call",
    [
        lambda node: node.pwrite(0, b"x"),
        lambda node: node.write_zeroes(0, 1),
        lambda node: node.discard(0, 1),
    ],
)
def test_guard_stops_a_change_of_a_node_opened_for_reading(
    call: Callable[[BlockNode], object],
) -> None:
    with pytest.raises(ContractBroken, match="open for writing"):
        call(Guard(MemoryNode(SIZE, mode=Mode.READ)))


def test_guard_stops_every_call_after_close() -> None:
    guard = Guard(MemoryNode(SIZE))
    guard.close()
    with pytest.raises(ContractBroken, match="node is open"):
        guard.flush()
    with pytest.raises(ContractBroken, match="node is open"):
        pread(guard, 0, 1)


@pytest.mark.parametrize(
    ("offset", "length"), [(1, 512), (0, 100), (0, 1536), (512, 511)]
)
def test_guard_holds_callers_to_alignment_and_largest_request(
    offset: int, length: int
) -> None:
    guard = Guard(Picky(MemoryNode(SIZE)))
    with pytest.raises(ContractBroken):
        guard.readinto(offset, buffer(length))


def test_guard_lets_the_last_request_end_with_an_odd_image() -> None:
    guard = Guard(Picky(MemoryNode(SIZE - 100)))
    guard.readinto(SIZE - 512, buffer(412))


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [Extent(0, SIZE - 1, Data.ZERO)],
        [Extent(0, SIZE + 1, Data.ZERO)],
        [Extent(1, SIZE - 1, Data.ZERO)],
        [Extent(0, 0, Data.ZERO), Extent(0, SIZE, Data.ZERO)],
        [Extent(0, 100, Data.ZERO), Extent(101, SIZE - 101, Data.ZERO)],
    ],
)
def test_guard_stops_an_answer_that_does_not_fill_the_range(
    answer: list[Extent],
) -> None:
    with pytest.raises(ContractBroken, match="extent"):
        list(Guard(Liar(answer)).extents())


def test_throttle_asks_the_gate_with_the_bytes_of_each_request() -> None:
    gate = OpenGate()
    node = Throttle(MemoryNode(SIZE), gate)
    node.pwrite(0, memoryview(bytes(8)).cast("I"))
    node.readinto(0, buffer(100))
    node.write_zeroes(0, 1000)
    node.discard(0, 1000)
    assert gate.passed == [8, 100, 0, 0]


def test_a_gate_that_raises_keeps_the_request_away() -> None:
    class Closed:
        def enter(self, length: int) -> None:
            raise InterruptedError

    trace = Trace(MemoryNode(SIZE))
    with pytest.raises(InterruptedError):
        Throttle(trace, Closed()).pwrite(0, b"x")
    assert trace.log == []


def test_trace_logs_what_was_asked_in_order() -> None:
    node = Trace(MemoryNode(SIZE))
    node.pwrite(0, b"abc")
    node.write_zeroes(3, 5)
    node.discard(8, 2)
    pread(node, 0, 4)
    list(node.extents(16))
    node.flush()
    node.close()
    assert node.log == [
        ("pwrite", 0, 3),
        ("write_zeroes", 3, 5),
        ("discard", 8, 2),
        ("readinto", 0, 4),
        ("extents", 16, SIZE - 16),
        ("flush",),
        ("close",),
    ]


def test_fault_fails_the_nth_call_only() -> None:
    node = Fault(MemoryNode(SIZE), [Rule(Operation.WRITE, nth=2, errno=errno.EIO)])
    node.pwrite(0, b"1")
    with pytest.raises(ServiceError) as caught:
        node.pwrite(7, b"2")
    node.pwrite(1, b"3")
    assert caught.value.kind is Kind.IO_ERROR
    assert (caught.value.facts["operation"], caught.value.facts["offset"]) == (
        "write",
        7,
    )
    assert pread(node, 0, 8) == b"13" + bytes(6)


def test_fault_fails_as_often_as_told() -> None:
    rule = Rule(Operation.FLUSH, times=2, errno=errno.ENOSPC)
    node = Fault(MemoryNode(SIZE), [rule])
    for _ in range(2):
        with pytest.raises(ServiceError) as caught:
            node.flush()
        assert caught.value.kind is Kind.NO_SPACE
    node.flush()


def test_fault_counts_only_calls_that_touch_its_range() -> None:
    rule = Rule(Operation.READ, errno=errno.EIO, start=100, end=200)
    node = Fault(MemoryNode(SIZE), [rule])
    pread(node, 0, 100)
    pread(node, 200, 100)
    with pytest.raises(ServiceError):
        pread(node, 199, 1)


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        (Operation.ZERO, lambda node: node.write_zeroes(0, 1)),
        (Operation.DISCARD, lambda node: node.discard(0, 1)),
        (Operation.MAP, lambda node: list(node.extents())),
        (Operation.CLOSE, lambda node: node.close()),
    ],
)
def test_fault_reaches_every_operation(
    operation: Operation, call: Callable[[BlockNode], object]
) -> None:
    node = Fault(MemoryNode(SIZE), [Rule(operation, errno=errno.EIO)])
    with pytest.raises(ServiceError, match=operation.value):
        call(node)


def test_fault_may_hold_a_call_up_while_others_pass() -> None:
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go.wait(10)

    node = Fault(MemoryNode(SIZE), [Rule(Operation.WRITE, before=hold)])
    first = threading.Thread(target=node.pwrite, args=(0, b"1"))
    first.start()
    assert held.wait(10)
    node.pwrite(1, b"2")
    assert pread(node, 0, 2) == b"\x002"
    go.set()
    first.join()
    assert pread(node, 0, 2) == b"12"


def test_production_stacks_the_guard_outside_the_throttle() -> None:
    gate = OpenGate()
    node = stack(MemoryNode(SIZE), gate)
    with pytest.raises(ContractBroken):
        node.pwrite(SIZE, b"x")
    assert gate.passed == []
    node.pwrite(0, b"x")
    assert gate.passed == [1]


def test_without_a_limit_there_is_no_throttle() -> None:
    below = MemoryNode(SIZE)
    node = stack(below)
    assert isinstance(node, Guard)
    assert node.below is below
