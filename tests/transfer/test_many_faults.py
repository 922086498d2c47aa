"""A mixed download through a proxy that fails all the time."""

from __future__ import annotations

import itertools
import random
import threading

from faults import Deck, Fault
from faulty_proxy import FaultyProxy
from final_files import FinalFiles, sha256, versions_of

from laion_fmri.bucket.s3 import S3Bucket
from laion_fmri.transfer import engine
from laion_fmri.transfer.events import EventKind
from laion_fmri.transfer.plan import make_plan

SEGMENT = 1 << 17


def test_two_hundred_faults_of_every_kind(s3_endpoint, tmp_path, monkeypatch):
    """Runs until all faults have been dealt and everything is here."""
    monkeypatch.setattr(engine, "SEGMENT", SEGMENT)
    monkeypatch.setattr(engine, "BACKOFF", 0.01)
    seed = 20
    draw = random.Random(seed)
    objects = {
        f"small/{n // 10}/{n:02d}.tsv": draw.randbytes(draw.randint(1, 40_000)) for n in range(40)
    }
    objects |= {
        f"large/{n}.nii.gz": draw.randbytes(draw.randint(4, 8) * SEGMENT - n) for n in range(3)
    }
    origin = s3_endpoint.make_bucket(s3_endpoint.unused_name(), objects)
    objects["parts.h5"] = draw.randbytes(5 * SEGMENT + 1)
    s3_endpoint.put_in_parts(origin.name, "parts.h5", objects["parts.h5"], part_size=1 << 16)
    objects["empty"] = b""
    s3_endpoint.put(origin.name, "empty", b"")
    versions = versions_of(objects)

    one_at_a_time = threading.Lock()

    def replace(key: str) -> None:
        with one_at_a_time:
            n_bytes = len(objects[key])
            objects[key] = draw.randbytes(n_bytes + draw.randint(-1, 1) * (n_bytes // 3))
            versions[key].add(sha256(objects[key]))
            s3_endpoint.put(origin.name, key, objects[key])

    deck = Deck(n_each=19, probability=0.3, seed=seed)
    n_runs, n_seen, endings = 0, 0, set()
    with FaultyProxy(s3_endpoint.url, deck, seed=seed) as proxy:
        proxy.replace = replace
        bucket = S3Bucket(origin.name, proxy.url, read_timeout=0.3)
        for folder in itertools.count():
            data_dir = tmp_path / str(folder)
            with FinalFiles(data_dir, versions) as watch:
                while (plan := make_plan(origin.objects(), data_dir, bucket)).to_fetch:
                    endings |= {e.kind for e in engine.run(plan, n_jobs=2) if e.kind.is_last}
                    n_runs += 1
                    assert n_runs < 100
            assert watch.wrong == watch.partials() == watch.differences(objects) == []
            n_seen += watch.n_seen
            if not deck.n_left:
                break
    assert proxy.injected == dict.fromkeys(Fault, 19)
    assert proxy.injected.total() >= 200
    assert n_seen >= len(objects)
    assert endings <= {EventKind.FETCHED, EventKind.DENIED, EventKind.FAILED}
