"""A histogram counts each value once, below every bound that it does not pass."""

from longshored.tally import Histogram


def test_a_value_counts_below_every_bound_above_it() -> None:
    histogram = Histogram((1.0, 2.0, 5.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.note(value)
    seen = histogram.seen()
    assert seen.cumulated == ((1.0, 2), (2.0, 3), (5.0, 3))
    assert (seen.count, seen.sum) == (4, 10.0)


def test_an_empty_histogram_has_its_bounds() -> None:
    assert Histogram((1.0,)).seen().cumulated == ((1.0, 0),)
