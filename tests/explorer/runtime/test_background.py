"""Pages follow what runs on the server."""

from __future__ import annotations

import asyncio
import threading

from laion_fmri.explorer.runtime.background import Follower
from laion_fmri.explorer.runtime.background_job import Job, Listeners


class Source(Listeners):
    """Something that changes."""

    subscribe = Listeners.add


def test_in_a_script_every_change_is_shown_at_once():
    seen: list[int] = []
    job = Job(lambda job: [job.report(n / 3) for n in range(3)])
    follower = Follower(lambda: seen.append(len(seen)))
    assert follower.follow(job) and not follower.follow(job)
    assert job.start().wait(30)
    assert len(seen) == 4  # three reports and the end


def test_what_is_followed_no_more_is_not_shown():
    seen: list[str] = []
    first, second = Source(), Source()
    follower = Follower(lambda: seen.append("shown"))
    follower.follow(first)
    follower.follow(second)
    first.tell()
    assert not seen
    second.tell()
    follower.stop()
    second.tell()
    assert len(seen) == 1 and not follower.is_following


def test_an_event_loop_shows_changes_in_its_own_thread_and_no_more_often_than_asked():
    seen: list[threading.Thread] = []

    async def main() -> None:
        job = Job(lambda job: [job.report(n / 1000) for n in range(1000)])
        follower = Follower(lambda: seen.append(threading.current_thread()), every=0.05)
        follower.follow(job)
        job.start()
        await asyncio.sleep(0.3)
        assert job.is_over

    asyncio.run(main())
    assert 1 <= len(seen) <= 3
    assert set(seen) == {threading.current_thread()}
