"""Import path of earlier releases: `Filters` is in `laion_fmri.trial_selection`."""

from __future__ import annotations

from laion_fmri.trial_selection.filters import Filters

__all__ = ["Filters"]
