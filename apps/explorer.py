"""`panel serve apps/explorer.py`: the explorer on what is configured."""

from laion_fmri.explorer.app import TITLE, create_app

create_app().servable(title=TITLE)
