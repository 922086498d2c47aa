"""The explorer: a web app over the library, and its parts for notebooks.

Needs the extra ``explorer``: ``pip install "laion-fmri-explorer[explorer]"``.

Four roles: `state` holds what the user has chosen, `data` answers questions from the
library, components and tabs show it, `app` is the shell. A view never reaches into
another view; they meet in `state`.
"""
