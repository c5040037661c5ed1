from array import array
from itertools import chain
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.extent import Data, Extent, merge
from longshored.block.qcow2.layout import Header
from longshored.block.qcow2.tables import (
    ALL_ALLOCATED,
    ALL_ZERO,
    COMPRESSED,
    COPIED,
    READS_ZERO,
    CompressedAt,
    Geometry,
    Words,
    compressed_entry,
    decode_compressed,
    decode_words,
    encode_words,
    held_runs,
    l1_entry,
    l2_offset_of,
    resolve,
    scan,
    standard_entry,
    zero_entry,
)
from longshored.errors import ServiceError
from longshored.units import GiB, KiB, TiB

END = 1 << 44


def geometry(
    cluster_bits: int = 16, *, extended: bool = False, version: int = 3
) -> Geometry:
    header = Header(
        version=version,
        cluster_bits=cluster_bits,
        size=0,
        l1_entries=0,
        l1_offset=0,
        refcount_table_offset=0,
        refcount_table_clusters=1,
        incompatible=16 if extended else 0,
    )
    return Geometry.of(header)


G = geometry()
X = geometry(extended=True)
CLUSTER = G.cluster_size
SUB = X.subcluster_size


def runs(words: Words, of: Geometry = G, file_size: int = END) -> list[Extent]:
    last = len(words) // of.words_per_entry
    return list(scan(words, of, first=0, last=last, guest=0, file_size=file_size))


def refusal(words: Words, of: Geometry = G, file_size: int = END) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        runs(words, of, file_size)
    return caught.value


def entry_by_entry(words: Words, of: Geometry) -> list[Extent]:
    """The same answer the slow way: one entry at a time, then merged."""
    last = len(words) // of.words_per_entry
    found = (
        extent
        for index in range(last)
        for extent in resolve(
            words, of, index, guest=index * of.cluster_size, file_size=END
        )
    )
    return list(merge(found))


def entries() -> st.SearchStrategy[list[int]]:
    """Runs as real tables have them: long and short, of every kind."""
    length = st.integers(1, 3) | st.integers(10, 70)
    host = st.integers(1, 1 << 20)
    flag = st.sampled_from([0, COPIED])

    def unallocated(n: int) -> st.SearchStrategy[list[int]]:
        return st.just([0] * n)

    def zeros(n: int) -> st.SearchStrategy[list[int]]:
        return st.just([READS_ZERO] * n)

    def data(n: int) -> st.SearchStrategy[list[int]]:
        return st.tuples(host, flag).map(
            lambda of: [of[1] | (of[0] + i) * CLUSTER for i in range(n)]
        )

    def held_zeros(n: int) -> st.SearchStrategy[list[int]]:
        return data(n).map(lambda run: [word | READS_ZERO for word in run])

    def compressed(n: int) -> st.SearchStrategy[list[int]]:
        return host.map(
            lambda first: [
                compressed_entry(G, CompressedAt(first * CLUSTER + i * 700, 650))
                for i in range(n)
            ]
        )

    kinds = (unallocated, zeros, data, held_zeros, compressed)
    run = st.one_of([length.flatmap(kind) for kind in kinds])
    return st.lists(run, max_size=8).map(lambda found: list(chain.from_iterable(found)))


@given(entries())
def test_a_scan_says_what_the_entries_say_one_by_one(found: list[int]) -> None:
    words = array("Q", found)
    assert runs(words) == entry_by_entry(words, G)


def pairs() -> st.SearchStrategy[list[int]]:
    """Entries and bitmaps of subclusters: runs of either, which end where they like."""
    length = st.integers(1, 3) | st.integers(10, 40)
    held = [0, ALL_ALLOCATED, ALL_ZERO, 0xFF, 0xFF00 | 3 << 32]
    hosts = st.lists(st.tuples(st.integers(0, 1 << 20), length), max_size=6)
    bitmaps = st.lists(st.tuples(st.sampled_from(held), length), max_size=6)

    def joined(
        hosts: list[tuple[int, int]], bitmaps: list[tuple[int, int]]
    ) -> list[int]:
        entries = [
            COPIED | (host + n) * CLUSTER if host else 0
            for host, count in hosts
            for n in range(count)
        ]
        bits = [bitmap for bitmap, count in bitmaps for _ in range(count)]
        both = zip(entries, bits, strict=False)
        return [
            word
            for entry, bitmap in both
            for word in (entry, bitmap if entry else bitmap & ALL_ZERO)
        ]

    return st.builds(joined, hosts, bitmaps)


@given(pairs())
def test_a_scan_of_subclusters_says_what_each_entry_says(found: list[int]) -> None:
    words = array("Q", found)
    assert runs(words, X) == entry_by_entry(words, X)


@given(pairs())
def test_runs_of_held_clusters_are_what_each_entry_holds(found: list[int]) -> None:
    words = array("Q", found)
    held = [index for run in held_runs(words, X) for index in run]
    assert held == [index for index, entry in enumerate(words[::2]) if entry]
    for run in held_runs(words, X):
        first = words[2 * run.start]
        for n, index in enumerate(run):
            assert words[2 * index] == first + n * CLUSTER


@given(st.lists(st.integers(0, 2**64 - 1), max_size=64))
def test_noise_in_a_table_is_read_or_refused(found: list[int]) -> None:
    words = array("Q", found)
    for of in (G, X, geometry(9), geometry(version=2)):
        usable = words[: len(words) // of.words_per_entry * of.words_per_entry]
        try:
            extents = runs(usable, of)
        except ServiceError:
            continue
        assert sum(e.length for e in extents) == len(usable) * of.cluster_size // (
            of.words_per_entry
        )


@given(st.lists(st.integers(0, 2**64 - 1), max_size=64))
def test_words_survive_encoding(found: list[int]) -> None:
    assert decode_words(encode_words(array("Q", found))) == array("Q", found)


def test_words_are_big_endian_on_disk() -> None:
    assert encode_words(array("Q", [1])) == bytes(7) + b"\1"


@given(st.data(), st.sampled_from([9, 12, 16, 21]))
def test_a_compressed_entry_survives_encoding(data: st.DataObject, bits: int) -> None:
    of = geometry(bits)
    host = data.draw(st.integers(1 << bits, (1 << 40) - 1))
    most = (1 << (bits - 8)) * 512 - host % 512
    entry = compressed_entry(of, CompressedAt(host, data.draw(st.integers(1, most))))
    at = decode_compressed(entry, of, END)
    assert at.host_offset == host
    assert (at.host_offset + at.length) % 512 == 0
    assert compressed_entry(of, at) == entry


def test_a_compressed_cluster_may_run_past_the_end_of_the_file() -> None:
    entry = compressed_entry(G, CompressedAt(0x50000, 1000))
    assert decode_compressed(entry, G, 0x50000 + 600).length == 600


def test_a_compressed_cluster_cannot_begin_past_the_end_of_the_file() -> None:
    entry = compressed_entry(G, CompressedAt(0x50000, 1000))
    with pytest.raises(ServiceError, match="past the end"):
        decode_compressed(entry, G, 0x50000)


def test_neighbours_in_the_file_are_one_run_whether_shared_or_not() -> None:
    words = array("Q", [COPIED | 0x50000, 0x60000, 0x70000, COPIED | 0x80000])
    assert runs(words) == [Extent(0, 4 * CLUSTER, Data.RAW, 0x50000)]


def test_the_last_cluster_may_be_cut_by_the_end_of_the_file() -> None:
    assert runs(array("Q", [standard_entry(0x50000)]), file_size=0x50001)


@pytest.mark.parametrize(
    ("entry", "of", "message"),
    [
        (standard_entry(0x50200), G, "Cluster is not aligned"),
        (standard_entry(END), G, "Cluster lies past the end of the file"),
        (standard_entry(0x50000) | 1 << 5, G, "L2 entry has reserved bits set"),
        (standard_entry(0x50000) | 1 << 57, G, "L2 entry has reserved bits set"),
        (COPIED, G, "L2 entry has flags but no cluster"),
        (zero_entry(), geometry(version=2), "L2 entry has reserved bits set"),
        (COMPRESSED | 0x200, G, "Compressed cluster has an impossible entry"),
        (
            COMPRESSED | COPIED | 0x50000,
            G,
            "Compressed cluster has an impossible entry",
        ),
    ],
)
def test_an_entry_that_cannot_be_is_refused(
    entry: int, of: Geometry, message: str
) -> None:
    error = refusal(array("Q", [entry]), of)
    assert error.message == message


def test_a_run_cannot_leave_the_file() -> None:
    words = array("Q", [standard_entry(0x50000 + i * CLUSTER) for i in range(100)])
    assert refusal(words, file_size=0x50000 + 50 * CLUSTER).facts["what"] == (
        "host offset"
    )


@pytest.mark.parametrize(
    ("entry", "bitmap"),
    [
        (standard_entry(0x50000), 1 | 1 << 32),
        (0, 1),
        (compressed_entry(X, CompressedAt(0x50000, 10)), 1),
    ],
)
def test_a_subcluster_bitmap_that_contradicts_is_refused(
    entry: int, bitmap: int
) -> None:
    assert refusal(array("Q", [entry, bitmap]), X).facts["what"] == "L2 bitmap"


def test_the_zero_flag_is_reserved_with_extended_l2() -> None:
    assert refusal(array("Q", [zero_entry(), 0]), X).facts["what"] == "L2 entry"


def test_subclusters_are_told_apart() -> None:
    words = array("Q", [standard_entry(0x50000), 0b110 | 0b11000 << 32])
    assert runs(words, X) == [
        Extent(0, SUB, Data.UNALLOCATED),
        Extent(SUB, 2 * SUB, Data.RAW, 0x50000 + SUB),
        Extent(3 * SUB, 2 * SUB, Data.ZERO, 0x50000 + 3 * SUB),
        Extent(5 * SUB, 27 * SUB, Data.UNALLOCATED),
    ]


def test_an_l1_entry_leads_to_its_table() -> None:
    assert l2_offset_of(l1_entry(0x40000), G, END) == 0x40000
    assert l2_offset_of(0, G, END) == 0


@pytest.mark.parametrize("entry", [1, COPIED, 0x40200, 1 << 56 | 0x40000, END])
def test_an_l1_entry_that_cannot_be_is_refused(entry: int) -> None:
    with pytest.raises(ServiceError):
        l2_offset_of(entry, G, END)


def fragmented(tables: int, runs_each: int) -> list[Words]:
    host = 0x100000
    made = []
    for _ in range(tables):
        words = array("Q", bytes(8 * G.l2_entries))
        for run in range(runs_each):
            at = run * (G.l2_entries // runs_each)
            for index in range(at, at + 5):
                words[index] = standard_entry(host)
                host += CLUSTER
        made.append(words)
    return made


def cpu_of_scan(tables: list[Words], of: Geometry = G) -> float:
    started = process_time()
    last = of.l2_entries
    for words in tables:
        for _ in scan(words, of, first=0, last=last, guest=0, file_size=1 << 50):
            pass
    return process_time() - started


def test_a_scan_costs_the_runs_and_not_the_entries() -> None:
    # 2 GiB in 600 runs takes 2 ms on an idle machine, 20 ms entry by entry; the
    # bound leaves room for a slow one.
    assert 4 * G.l2_span == 2 * GiB
    tables = fragmented(4, 150)
    assert min(cpu_of_scan(tables) for _ in range(5)) < 0.012


@pytest.mark.parametrize(
    ("stride", "bitmaps", "bound"),
    [
        # A full guest: 0.3 ms on an idle machine, 26 ms entry by entry.
        (1, [ALL_ALLOCATED], 0.006),
        # Runs of one word only: 20 ms, and 330 ms if each is looked for anew.
        (3, [ALL_ALLOCATED], 0.12),
        (1, [ALL_ALLOCATED, 0xFF], 0.12),
    ],
)
def test_a_scan_of_subclusters_costs_no_more_than_its_runs(
    stride: int, bitmaps: list[int], bound: float
) -> None:
    words = array("Q", bytes(16 * X.l2_entries))
    for index in range(X.l2_entries):
        words[2 * index] = standard_entry((16 + stride * index) * CLUSTER)
        words[2 * index + 1] = bitmaps[index % len(bitmaps)]
    assert min(cpu_of_scan([words], X) for _ in range(5)) < bound


@pytest.mark.slow
def test_a_sparse_terabyte_is_scanned_in_a_fraction_of_a_second() -> None:
    table = fragmented(1, 8)[0]
    assert 2048 * G.l2_span == 1 * TiB
    assert KiB * 64 == CLUSTER
    assert cpu_of_scan([table] * 2048) < 0.6
