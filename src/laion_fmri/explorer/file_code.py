"""Python that finds the same files as the filters on the page do."""

from __future__ import annotations

import json
from collections.abc import Sequence

from laion_fmri.explorer.bucket_table import STATUS, FileFilter, FileStanding

_COLUMNS = {"subject": "sub", "session": "ses", STATUS: "status"}
_STATUSES = {
    FileStanding.HERE: "here",
    FileStanding.PARTIAL: "partial",
    FileStanding.MISSING: "missing",
    FileStanding.STALE: "stale",
}


def file_code(wanted: FileFilter) -> str:
    """Code that gives a table of the files that pass.

    Parameters
    ----------
    wanted : FileFilter
    """
    imports = ["from laion_fmri.discovery import list_files"]
    imports += ["from laion_fmri.layout import tree_of"] * bool(wanted.values.get("tree"))
    lines = [*imports, "", "files = list_files()"]
    for facet, values in wanted.values.items():
        if values:
            lines += [f"files = files[{_passing(facet, values)}]"]
    lines += [
        f'files = files[files["key"].str.contains({_quoted(word)}, case=False, regex=False)]'
        for word in wanted.text.split()
    ]
    return "\n".join([*lines, 'print(files, files["size"].sum())'])


def _passing(facet: str, values: Sequence[str]) -> str:
    if facet == "tree":
        return f'files["key"].map(tree_of).isin({_listed(values)})'
    if facet == STATUS:
        return _standing(values)
    column = _COLUMNS.get(facet, facet)
    bare = [value.removeprefix(f"{column}-") if facet in _COLUMNS else value for value in values]
    said = f'files["{column}"]'
    return (
        f'{said}.fillna("").isin({_listed(bare)})'
        if "" in bare
        else f"{said}.isin({_listed(bare)})"
    )


def _standing(values: Sequence[str]) -> str:
    known = [_STATUSES[FileStanding(v)] for v in values if FileStanding(v) in _STATUSES]
    parts = []
    if known:
        parts.append(f'(files["status"].isin({_listed(known)}) & ~files["held_out"])')
    if FileStanding.HELD_OUT in values:
        parts.append('files["held_out"]')
    if FileStanding.REFUSED in values:
        parts.append('files["status"].isna()')
    return " | ".join(parts)


def _listed(values: Sequence[str]) -> str:
    return f"[{', '.join(_quoted(value) for value in values)}]"


def _quoted(text: str) -> str:
    return json.dumps(text)  # a JSON string is a Python string
