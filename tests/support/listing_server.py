"""Lists a bucket as S3 does, as fast as can be: every page is rendered once.

Run as a program, with a file of objects, it prints its port. It serves no bytes of objects;
a web server in front of it does.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

from laion_fmri.bucket import BucketObject

_PAGE = 1000  # entries
_OBJECT = (
    "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
_FOLDER = "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>"


@contextmanager
def serve_listing(objects: Iterable[BucketObject], folder: Path) -> Iterator[str]:
    """A server in a process of its own, and its address; `folder` holds its files."""
    file = folder / "objects.json"
    file.write_text(json.dumps([(o.key, o.size, o.etag) for o in objects]))
    process = subprocess.Popen(
        [sys.executable, __file__, str(file)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)


class Listing:
    """Objects in key order."""

    def __init__(self, objects: Iterable[BucketObject]) -> None:
        self._objects = sorted(objects, key=lambda o: o.key)

    @cached_property
    def _keys(self) -> list[str]:
        return [o.key for o in self._objects]

    @lru_cache(maxsize=1000)  # noqa: B019
    def page(self, name: str, prefix: str, delimiter: str, start: int) -> bytes:
        """One page of ListObjectsV2."""
        begin = bisect_left(self._keys, prefix)
        end = bisect_left(self._keys, prefix + chr(0x10FFFF))
        found: Iterable[str]
        if delimiter:
            found = self._entries(begin, end, len(prefix), delimiter)
        else:
            found = map(_rendered, self._objects[begin:end])
        listed = list(itertools.islice(found, start, start + _PAGE + 1))
        more = len(listed) > _PAGE
        token = f"<NextContinuationToken>{start + _PAGE}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{escape(name)}</Name><Prefix>{quote(prefix)}</Prefix>{token}"
            f"<KeyCount>{min(len(listed), _PAGE)}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{''.join(listed[:_PAGE])}</ListBucketResult>"
        ).encode()

    def _entries(self, begin: int, end: int, n_prefix: int, delimiter: str) -> Iterator[str]:
        last = None
        for found in itertools.islice(self._objects, begin, end):
            head, cut, _ = found.key[n_prefix:].partition(delimiter)
            if not cut:
                yield _rendered(found)
            elif head != last:
                last = head
                yield _FOLDER.format(quote(found.key[:n_prefix] + head + cut))


def _rendered(found: BucketObject) -> str:
    return _OBJECT.format(quote(found.key), found.etag, found.size)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    listing: Listing

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        body = self.listing.page(
            address.path.strip("/"),
            asked.get("prefix", ""),
            asked.get("delimiter", ""),
            int(asked.get("continuation-token", 0)),
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    _Handler.listing = Listing(BucketObject(*o) for o in json.loads(Path(sys.argv[1]).read_text()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
