"""Reading a bucket: anonymous S3, or a mirror in a directory.

Both implement `Bucket`, the only interface the rest of the package uses.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from laion_fmri._errors import ConfigError
from laion_fmri.bucket.protocol import Bucket, BucketObject, ByteStream, Folder
from laion_fmri.config import Settings, load_settings

__all__ = ["Bucket", "BucketObject", "ByteStream", "Folder", "open_bucket"]


def open_bucket(settings: Settings | None = None) -> Bucket:
    """Open the bucket of the settings: ``s3://name``, ``file:///mirror`` or a path.

    Raises
    ------
    ConfigError
        When the address has another scheme.
    BucketUnreachableError
        When a directory mirror does not exist.
    """
    settings = settings or load_settings()
    try:
        address = urlparse(settings.bucket)
    except ValueError:  # for example, an incomplete IPv6 address
        address = urlparse("unknown://")
    if address.scheme == "s3" and address.netloc and address.path in ("", "/"):
        from laion_fmri.bucket.s3 import S3Bucket

        return S3Bucket(address.netloc, endpoint_url=settings.endpoint_url)
    if address.scheme == "file" and address.netloc in ("", "localhost"):
        path = Path(unquote(address.path))
    elif address.scheme == "" and settings.bucket:
        path = Path(settings.bucket).expanduser()
    else:
        raise ConfigError(
            f"{settings.bucket!r} is not a bucket address. Use s3://name or file:///path/of/mirror "
            "(`laion-fmri config --bucket …`)."
        )
    from laion_fmri.bucket.directory import DirectoryBucket

    return DirectoryBucket(path)
