"""Import path of earlier releases: `given_map` is in `laion_fmri.maps`."""

from __future__ import annotations

from laion_fmri.maps import given_map

__all__ = ["given_map"]
