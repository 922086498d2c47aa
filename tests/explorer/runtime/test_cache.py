"""What is computed once stays within bounds and follows its files."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.explorer.runtime.cache import Cache


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60))), st.integers(1, 200))
def test_a_cache_stays_within_its_bounds(asked, most):
    cache = Cache(most)
    sizes: dict[int, int] = {}
    for key, size in asked:
        sizes.setdefault(key, size)
        assert cache.get(key, lambda key=key: bytes(sizes[key])) == bytes(sizes[key])
        assert cache.n_bytes <= most or len(cache) == 1


def test_each_value_is_computed_once():
    cache, begun, go_on, computed = Cache(10**6), threading.Event(), threading.Event(), []

    def compute() -> str:
        begun.set()
        go_on.wait(30)
        computed.append(1)
        return "value"

    threads = [threading.Thread(target=cache.get, args=("key", compute)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert computed == [1] and cache.get("key", compute) == "value"


def test_a_value_follows_its_files(tmp_path: Path):
    cache, path = Cache(10**6), tmp_path / "file"
    assert cache.get("key", lambda: "absent", [path]) == "absent"
    path.write_text("first")
    assert cache.get("key", lambda: "first", [path]) == "first"
    assert cache.get("key", lambda: "unused", [path]) == "first"
    path.write_text("second")
    assert cache.get("key", lambda: "second", [path]) == "second"
    assert len(cache) == 1 and cache.n_bytes == len("second")


def test_errors_are_raised_and_not_cached():
    cache = Cache(10**6)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 / 0)
    assert cache.get("key", lambda: "fine") == "fine"
    cache.discard("key")
    assert not len(cache) and not cache.n_bytes


def test_what_is_being_computed_when_all_is_cleared_is_not_cached():
    cache = Cache(10**6)

    def compute() -> str:
        cache.clear()
        return "old"

    assert cache.get("key", compute) == "old"
    assert cache.get("key", lambda: "new") == "new"
