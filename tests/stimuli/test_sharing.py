"""One handle, used by many threads and by processes that were forked off."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from builders import LABELS, SmallData, picture

from laion_fmri import layout
from laion_fmri._errors import StimuliNotDownloadedError
from laion_fmri.stimuli.cache import Cache, ForkSafeLock
from laion_fmri.stimuli.captions import Captions
from laion_fmri.stimuli.embeddings import load_embeddings
from laion_fmri.stimuli.hub import LocalStimuli, Stimuli, load_stimuli
from laion_fmri.stimuli.segmentations import Segmentations

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

ROWS = [(name, "hand", instance) for name in LABELS[:3] for instance in range(4)]


@pytest.fixture
def small(tmp_path):
    data = SmallData(tmp_path)
    data.metadata(list(LABELS))
    data.pictures = [picture(colour=(n, 0, 0)) for n in range(4)]
    data.images(data.pictures)
    data.features = data.embeddings()
    data.masks = data.segmentations(ROWS)
    data.captions([(name, rank, f"{name} {rank}") for name in LABELS for rank in range(3)])
    return data


def read_all(stim: Stimuli, data: SmallData, seed: int, rounds: int = 20) -> int:
    """Read at random; the number of answers that were wrong."""
    rng, wrong = random.Random(seed), 0
    for _ in range(rounds):
        n = rng.randrange(4)
        wrong += stim.images[LABELS[n]] != data.pictures[n]
        m = rng.randrange(len(ROWS))
        wrong += not np.array_equal(stim.segmentations.get(*ROWS[m]), data.masks[m])
        wrong += not np.array_equal(stim.embeddings.get("CLIP", LABELS[n]), data.features[n])
        wrong += stim.captions.human(LABELS[n]) != [f"{LABELS[n]} 1", f"{LABELS[n]} 2"]
        wrong += stim.metadata["image_name"].tolist() != list(LABELS)
        if rng.random() < 0.1:
            stim.close()
    return wrong


def test_many_threads_hammer_one_handle(small):
    with load_stimuli(small.path) as stim, ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda seed: read_all(stim, small, seed), range(16))) == 0


def begin(work) -> int:
    """Run `work` in a forked child, which is ended if it hangs; its process id."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            os._exit(min(work(), 99))
        except BaseException:
            os._exit(100)
    return child


def wait_for(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(work) -> int:
    """What `work` gives in a forked child: 0 if all is well."""
    return wait_for(begin(work))


@needs_fork
def test_a_forked_child_reads_what_the_parent_has_open(small):
    stim = load_stimuli(small.path)
    assert read_all(stim, small, 0) == 0
    assert forked(lambda: read_all(stim, small, 1)) == 0
    assert read_all(stim, small, 2) == 0
    assert forked(lambda: forked(lambda: read_all(stim, small, 3))) == 0


@needs_fork
def test_forks_while_threads_are_reading(small):
    stim, stop = load_stimuli(small.path), threading.Event()
    wrong: list[int] = []

    def read_on(seed: int) -> None:
        while not stop.is_set():
            wrong.append(read_all(stim, small, seed, rounds=3))

    threads = [threading.Thread(target=read_on, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        exits = [forked(lambda n=n: read_all(stim, small, n, rounds=5)) for n in range(8)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert exits == [0] * 8
    assert sum(wrong) == 0


@needs_fork
def test_parent_and_children_read_at_the_same_time(small):
    stim = load_stimuli(small.path)
    assert read_all(stim, small, 0) == 0
    children = [begin(lambda n=n: read_all(stim, small, n, rounds=40)) for n in range(3)]
    assert read_all(stim, small, 9, rounds=40) == 0
    assert [wait_for(child) for child in children] == [0, 0, 0]


def spawned(stim: Stimuli, name: str) -> tuple[bytes, list[str]]:
    return stim.images[name], stim.captions.human(name)


def test_a_spawned_process_gets_a_handle_of_its_own(small):
    stim = load_stimuli(small.path)
    assert read_all(stim, small, 0) == 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        raw, human = pool.apply(spawned, (stim, LABELS[2]))
    assert raw == small.pictures[2]
    assert human == stim.captions.human(LABELS[2])


def test_copies_are_empty(small):
    fresh = len(pickle.dumps(load_stimuli(small.path)))
    stim = load_stimuli(small.path)
    read_all(stim, small, 0)
    assert len(pickle.dumps(stim)) == fresh
    assert read_all(pickle.loads(pickle.dumps(stim)), small, 1) == 0


@needs_fork
def test_a_lock_that_another_thread_held_is_free_in_the_child():
    lock, held, done = ForkSafeLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def take() -> int:
        with lock, lock:
            return 0

    try:
        assert forked(take) == 0
    finally:
        done.set()
        thread.join()


def test_a_value_is_made_once():
    cache, made, start = Cache(), [], threading.Barrier(6)

    def make() -> object:
        made.append(1)
        return object()

    def ask(_: int) -> object:
        start.wait()
        return cache.get("x", make)

    with ThreadPoolExecutor(6) as pool:
        values = list(pool.map(ask, range(6)))
    assert len({id(value) for value in values}) == len(made) == 1
    assert cache.made() == values[:1]
    cache.clear()
    assert cache.get("x", make) is not values[0]
    with pytest.raises(ZeroDivisionError):
        cache.get("y", lambda: 1 / 0)
    assert len(cache.made()) == 1


# --- each part with its own files alone -----------------------------------------------------

PARTS = {
    "embeddings": ({layout.embeddings("CLIP")}, lambda s: s.embeddings.get("CLIP", LABELS[0])),
    "segmentations": (
        {layout.SEGMENTATIONS, layout.SEGMENTATIONS_METADATA},
        lambda s: s.segmentations.get(LABELS[0], "hand"),
    ),
    "captions": ({layout.CAPTIONS}, lambda s: s.captions.list(LABELS[0])),
    "metadata": ({layout.STIMULI_METADATA}, lambda s: s.metadata),
    "images": (
        {layout.STIMULI_IMAGES, layout.STIMULI_METADATA},
        lambda s: s.images.get(LABELS[0]),
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_works_when_only_its_own_files_are_here(small, part):
    needed, read = PARTS[part]
    for path in (small.path / layout.STIMULI_TREE).iterdir():
        if path.relative_to(small.path).as_posix() not in needed:
            path.unlink()
    stim = LocalStimuli(small.path)
    assert len(np.asarray(read(stim)))
    standalone = {
        "embeddings": lambda: load_embeddings(data_dir=small.path).get("CLIP", LABELS[0]),
        "segmentations": lambda: Segmentations(small.path).get(LABELS[0], "hand"),
        "captions": lambda: Captions(small.path).list(LABELS[0]),
    }
    if part in standalone:
        assert np.array_equal(standalone[part](), read(stim))
    for other, (files, look) in PARTS.items():
        if not files <= needed:
            with pytest.raises(StimuliNotDownloadedError, match="fetches it"):
                look(stim)
            assert other != part


def test_nothing_is_opened_before_it_is_looked_into(small):
    stim = load_stimuli(small.path)
    for path in (small.path / layout.STIMULI_TREE).glob("*.h5"):
        path.write_bytes(b"junk")
    assert stim.embeddings.models == ["CLIP"]
    assert stim.images is stim.images
    assert stim.segmentations.nouns(LABELS[0]) == ["hand"]
    with pytest.raises(OSError, match="cannot be read"):
        stim.embeddings.get("CLIP", LABELS[0])


def test_every_part_is_a_context_manager(small):
    with Captions(small.path) as captions:
        assert captions.human(LABELS[0])
    with Segmentations(small.path) as masks:
        assert masks.get(LABELS[0], "hand").shape == (6, 6)
    with load_embeddings("CLIP", small.path) as embeddings:
        assert embeddings["CLIP"].shape == (4, 8)
    with load_stimuli(small.path) as stim, stim.images as images:
        assert images.names() == list(LABELS)
    assert images[LABELS[1]] == small.pictures[1]  # a closed part opens itself again
