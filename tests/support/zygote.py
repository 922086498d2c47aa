"""Downloads in processes of their own that start at once.

Run as a program it imports what a download needs, then forks one child for every line of its
input: a JSON object with the fields of `Download`. It answers with the child's process id
and, when the child has ended, with its exit status.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Download:
    """A whole bucket to fetch."""

    bucket: str
    endpoint_url: str
    data_dir: str
    segment: int

    def carry_out(self) -> int:
        """List, plan, fetch; the number of files that did not arrive."""
        from laion_fmri.bucket.s3 import S3Bucket
        from laion_fmri.transfer import engine
        from laion_fmri.transfer.plan import make_plan

        engine.SEGMENT = self.segment
        bucket = S3Bucket(self.bucket, self.endpoint_url)
        plan = make_plan(bucket.objects(), Path(self.data_dir), bucket)
        ends = [e.kind for e in engine.run(plan) if e.kind.is_last]
        return sum(kind is not engine.EventKind.FETCHED for kind in ends)


class Zygote:
    """The process that forks; a context manager."""

    def __enter__(self) -> Zygote:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def start(self, download: Download) -> int:
        """Begin a download; the id of its process."""
        assert self._process.stdin is not None
        print(json.dumps(asdict(download)), file=self._process.stdin, flush=True)
        return int(self._line())

    def kill(self, process_id: int) -> int:
        """End a download at once; what `wait` returns."""
        os.kill(process_id, signal.SIGKILL)
        return self.wait()

    def wait(self) -> int:
        """The exit status of the download that was begun; negative for a signal."""
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def main() -> None:
    import boto3  # noqa: F401
    import urllib3  # noqa: F401

    import laion_fmri.bucket.s3
    import laion_fmri.transfer.engine  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(Download(**json.loads(line)).carry_out())
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
