"""``python -m laion_fmri`` is the command ``laion-fmri``."""

import sys

from laion_fmri.cli import main

if __name__ == "__main__":
    sys.exit(main())
