"""Who has which node, who is next for it, and who is in the way of whom. Pure.

A holder has its nodes. A claimer waits for them in the queue: whoever comes
after it may not take what clashes with it, or a stream of small jobs would
keep a large one out for ever. So a job waits for the nearest claimer before
it, and the first of the line for a holder. All nodes are taken at once or none,
and nobody waits for anyone behind it: there is no circle.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from ..job.nodes import Clash, Node, clash

Nodes = tuple[Node, ...]

END_OF_LINE = 1 << 63
"""The place in line of a job that has no number yet: behind everyone."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """The job that is in the way, and over what."""

    number: int
    clash: Clash


class Holds:
    """Holders and claimers by node; jobs are known by their number."""

    def __init__(self) -> None:
        self._nodes: dict[int, Nodes] = {}
        self._holders: dict[str, set[int]] = {}
        self._claimers: dict[str, list[int]] = {}  # ascending

    def hold(self, number: int, nodes: Nodes) -> None:
        self.drop(number)
        self._nodes[number] = nodes
        for key in _keys(nodes):
            self._holders.setdefault(key, set()).add(number)

    def claim(self, number: int, nodes: Nodes) -> None:
        self.drop(number)
        self._nodes[number] = nodes
        for key in _keys(nodes):
            insort(self._claimers.setdefault(key, []), number)

    def drop(self, number: int) -> None:
        """The job neither holds nor claims any more."""
        for key in _keys(self._nodes.pop(number, ())):
            if key in self._holders:
                self._holders[key].discard(number)
                if not self._holders[key]:
                    del self._holders[key]
            _remove(self._claimers, key, number)

    def holders(self, key: str) -> list[int]:
        return sorted(self._holders.get(key, ()))

    def blocker(
        self, nodes: Nodes, before: int, besides: Collection[int] = ()
    ) -> Blocker | None:
        """Who is in the way of a job that takes its place in line at `before`.

        `besides` are its own kind: members of its group, jobs it comes after.
        """
        return next(self.blockers(nodes, before, besides), None)

    def blockers(
        self, nodes: Nodes, before: int, besides: Collection[int] = ()
    ) -> Iterator[Blocker]:
        """Everyone in the way: claimers, the nearest first, then holders."""
        everyone = chain(self._claiming(nodes, before), self._holding(nodes))
        return self._clashing(nodes, everyone, {before, *besides})

    def refusers(
        self, nodes: Nodes, besides: Collection[int] = ()
    ) -> Iterator[Blocker]:
        """Who keeps out a job that will not wait: holders, then the whole line."""
        everyone = chain(self._holding(nodes), self._claiming(nodes, END_OF_LINE))
        return self._clashing(nodes, everyone, besides)

    def _clashing(
        self, nodes: Nodes, numbers: Iterable[int], besides: Collection[int]
    ) -> Iterator[Blocker]:
        for number in numbers:
            if number not in besides:
                for node in nodes:
                    found = self._clash(node, number)
                    if found is not None:
                        yield Blocker(number, found)
                        break

    def _claiming(self, nodes: Nodes, before: int) -> Iterator[int]:
        for key in sorted(_keys(nodes)):
            claimers = self._claimers.get(key, [])
            # By index, from the end: a line may be long, and is seldom read far.
            for index in range(bisect_left(claimers, before) - 1, -1, -1):
                yield claimers[index]

    def _holding(self, nodes: Nodes) -> Iterator[int]:
        for key in sorted(_keys(nodes)):
            yield from self.holders(key)

    def _clash(self, node: Node, number: int) -> Clash | None:
        found = (clash(node, held) for held in self._nodes[number])
        return next((one for one in found if one is not None), None)


def _keys(nodes: Iterable[Node]) -> set[str]:
    return {node.key for node in nodes}


def _remove(lines: dict[str, list[int]], key: str, number: int) -> None:
    line = lines.get(key)
    if line is None:
        return
    index = bisect_left(line, number)
    if index < len(line) and line[index] == number:
        del line[index]
        if not line:
            del lines[key]
