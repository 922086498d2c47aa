"""A download that is killed again and again."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from faulty_proxy import FaultyProxy
from final_files import FinalFiles, versions_of
from zygote import Download, Zygote

N_KILLS = 50
SEGMENT = 1 << 20
BYTES_PER_SECOND = 2.5e6
PATIENCE = 30  # seconds

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")


def test_killed_at_fifty_moments(s3_endpoint, tmp_path):
    """No wrong file ever has its final name, and nearly every byte moves once."""
    draw = random.Random(50)
    objects = {f"small/{n:02d}.tsv": draw.randbytes(draw.randint(1, 60_000)) for n in range(60)}
    objects |= {f"large/{n}.nii.gz": draw.randbytes(4_000_000 + n) for n in range(8)}
    bucket = s3_endpoint.make_bucket(s3_endpoint.unused_name(), objects)
    objects["large/parts.h5"] = draw.randbytes(4_500_000)
    s3_endpoint.put_in_parts(bucket.name, "large/parts.h5", objects["large/parts.h5"], 1_000_000)
    total = sum(map(len, objects.values()))

    moments = sorted(draw.uniform(0, 0.97 * total) for _ in range(N_KILLS))  # bytes
    watch = FinalFiles(tmp_path / "data", versions_of(objects))
    pause = threading.Event()
    with (
        FaultyProxy(s3_endpoint.url, bytes_per_second=BYTES_PER_SECOND) as proxy,
        Zygote() as zygote,
    ):
        download = Download(bucket.name, proxy.url, str(watch.folder), SEGMENT)
        for moment in moments:
            process_id = zygote.start(download)
            deadline = time.monotonic() + PATIENCE
            while proxy.n_forwarded < moment:
                assert time.monotonic() < deadline
                pause.wait(0.001)
            pause.wait(draw.uniform(0, 0.02))
            assert zygote.kill(process_id) == -signal.SIGKILL
            watch.look()
            assert watch.wrong == []
        zygote.start(download)
        assert zygote.wait() == 0
    watch.look()
    assert watch.wrong == watch.partials() == watch.differences(objects) == []
    moved = proxy.n_forwarded
    assert total <= moved <= 1.1 * total, f"{moved / total - 1:.1%} of the bytes moved again"
