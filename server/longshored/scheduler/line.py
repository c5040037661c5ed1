"""A waiting line: the smallest first, anyone may leave at any time."""

import heapq
from typing import Generic, TypeVar

Order = TypeVar("Order", int, tuple[int, int])

# Entries of those who left stay in the heap until they come up; when they are
# most of it, it is made anew.
_SLACK = 64


class Line(Generic[Order]):
    """Jobs, by number, in the order that each was given."""

    def __init__(self) -> None:
        self._order: dict[int, Order] = {}
        self._heap: list[tuple[Order, int]] = []

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, number: int) -> bool:
        return number in self._order

    def push(self, number: int, order: Order) -> None:
        if self._order.get(number) == order:
            return
        self._order[number] = order
        heapq.heappush(self._heap, (order, number))
        if len(self._heap) > 2 * len(self._order) + _SLACK:
            self._heap = [(order, number) for number, order in self._order.items()]
            heapq.heapify(self._heap)

    def discard(self, number: int) -> None:
        self._order.pop(number, None)

    def first(self) -> Order | None:
        """The order of who is next; None if nobody is there."""
        while self._heap:
            order, number = self._heap[0]
            if self._order.get(number) == order:
                return order
            heapq.heappop(self._heap)
        return None

    def pop(self) -> int:
        """Take out who is next. Only after first() answered."""
        order, number = heapq.heappop(self._heap)
        assert self._order.get(number) == order, "first() was not asked"
        del self._order[number]
        return number
