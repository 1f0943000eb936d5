"""Kept memory is handed out anew only when nobody can see it any more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from directloss.inference import memory
from directloss.inference.memory import Kept, lent


@dataclass
class Words:
    words: np.ndarray
    shape: tuple[int, ...]


kept = Kept(Words, lambda count: count)


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_given_back_is_lent_again() -> None:
    array = lent(1000, "test")
    place = address(array)
    del array
    for words in (10, 1000, 1):
        assert address(lent(words, "test")) == place


def test_memory_in_use_is_not() -> None:
    array = lent(1000, "test")
    another = lent(1000, "test")
    assert not np.shares_memory(array, another)
    del array  # what was lent first is no longer the thread's
    assert not np.shares_memory(another, lent(1000, "test"))


def test_each_use_has_memory_of_its_own() -> None:
    both = lent(1000, "test"), lent(1000, "another")
    assert not np.shares_memory(*both)
    places = [address(array) for array in both]
    del both
    assert [address(lent(1000, use)) for use in ("test", "another")] == places


@pytest.mark.parametrize(
    "look",
    [
        lambda array: array[1:],
        lambda array: array.reshape(2, -1).T,
        lambda array: array.view(np.uint32)[::2],
        lambda array: torch.from_numpy(array)[3:].numpy(),
        lambda array: memoryview(array),
        lambda array: np.broadcast_to(array, (3, array.size)),
    ],
    ids=["slice", "transposed", "as another type", "through a tensor", "buffer", "broadcast"],
)
def test_any_view_holds_it(look: Callable[[np.ndarray], Any]) -> None:
    array = lent(100, "test")
    array[:] = 7
    view = look(array)
    before = np.array(view)
    del array
    lent(100, "test")[:] = 8
    assert np.array_equal(np.array(view), before)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.booleans()), max_size=30))
def test_no_two_holders_share_it(calls: list[tuple[int, int, bool]]) -> None:
    """Any series of loans, of which up to four are held: each holds what was written to it."""
    held: dict[int, np.ndarray] = {}
    for number, (words, slot, only_a_view) in enumerate(calls):
        array = lent(words, "test")
        assert array.shape == (words,) and array.dtype == np.int64 and array.flags.writeable
        array[:] = number
        held[slot] = array[words // 2 :] if only_a_view else array
        del array
        values = [set(one.tolist()) for one in held.values()]
        assert all(len(one) <= 1 for one in values)
        assert len(set().union(*values)) == sum(map(len, values))


def test_threads_have_their_own() -> None:
    together = Barrier(4, timeout=20)

    def work(number: int) -> bool:
        right = True
        for _ in range(50):
            space, array = kept.take(64), lent(64, "test")
            space.words[:] = array[:] = number
            together.wait()
            right &= set(space.words.tolist()) == set(array.tolist()) == {number}
            kept.give_back(space)
            together.wait()
        return right

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_another_thread_may_give_it_back() -> None:
    array = lent(1000, "test")
    place = address(array)
    box = [array]
    del array
    with ThreadPoolExecutor(1) as pool:
        pool.submit(box.clear).result()
        assert address(lent(1000, "test")) == place
        elsewhere = pool.submit(lent, 1000, "test").result()
        assert not np.shares_memory(elsewhere, lent(1000, "test"))


def test_no_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST_KEPT", 100)
    monkeypatch.setattr(memory, "_threads", memory._Threads())
    own = memory._threads.memory
    for words, held in ((101, 0), (100, 100)):
        assert lent(words, "test").size == words
        kept.give_back(kept.take(words))
        lent_bytes = own.loans["test"].memory.nbytes if own.loans else 0
        assert lent_bytes == 8 * held and own.scratch.size == held


def test_words_come_back_to_the_next_call_and_never_to_two() -> None:
    few = kept.take(10)
    assert few.words.size >= 10 and few.words.dtype == np.uint64
    meanwhile = kept.take(10)
    assert not np.shares_memory(few.words, meanwhile.words)
    many = kept.take(few.words.size + 1)
    for space in (many, few, meanwhile):  # the longest is kept
        kept.give_back(space)
    again = kept.take(1)
    assert np.shares_memory(again.words, many.words) and again.shape == (1,)
    assert not np.shares_memory(kept.take(1).words, many.words)


def test_a_workspace_of_the_same_shape_comes_back_as_it_is() -> None:
    space = kept.take(20)
    kept.give_back(space)
    assert kept.take(20) is space
    kept.give_back(space)
    another = Kept(Words, lambda count: count)
    assert another.take(20).words is space.words
    assert kept.take(20) is not space  # whose words are in use
