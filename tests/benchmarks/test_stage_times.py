"""Time counts towards the innermost kind, and only that of the main thread counts."""

import threading
from collections.abc import Iterator

import pytest

from benchmarks import stage_times
from benchmarks.stage_times import Ledger


class Clock:
    """A clock that advances only in `sleep`."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stage_times, "time", clock)
    return clock


def test_an_inner_kind_does_not_count_towards_the_outer_one(clock: Clock) -> None:
    ledger = Ledger()
    with ledger.of("write"):
        clock.sleep(1)
        with ledger.of("read"):
            clock.sleep(2)
        clock.sleep(4)
    clock.sleep(8)
    ledger.turn()
    assert ledger.seconds == {"import": 0, "read": 2, "compute": 8, "write": 5}


def test_a_generator_is_counted_where_it_works(clock: Clock) -> None:
    def batches() -> Iterator[int]:
        for number in range(3):
            clock.sleep(1)
            yield number

    def consume(items: Iterator[int]) -> list[int]:
        clock.sleep(10)
        return list(items)

    ledger = Ledger()
    for _ in ledger.function("read", batches)():
        clock.sleep(100)
    assert ledger.function("write", consume)(batches()) == [0, 1, 2]
    ledger.turn()
    assert ledger.seconds == {"import": 0, "read": 3, "compute": 303, "write": 10}


def test_another_thread_does_not_count(clock: Clock) -> None:
    ledger = Ledger()

    def read() -> None:
        with ledger.of("read"):
            clock.sleep(1)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    ledger.turn()
    assert ledger.seconds == {"import": 0, "read": 0, "compute": 1, "write": 0}
