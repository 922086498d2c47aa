"""Local raw BIDS data of a subject: events, BOLD series and their references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from laion_fmri import layout
from laion_fmri._errors import DataNotDownloadedError
from laion_fmri.subject_files import SubjectFiles
from laion_fmri.tables import Types, read_table

if TYPE_CHECKING:
    import pandas as pd

BOLD, SBREF, EVENTS = "bold", "sbref", "events"
_EXTENSIONS = {BOLD: (".nii.gz", ".nii"), SBREF: (".nii.gz", ".nii"), EVENTS: (".tsv",)}
_EVENT_TYPES: Types = {"onset": "number", "duration": "number"}


def sessions(files: SubjectFiles) -> list[str]:
    """List the sessions with downloaded raw data, in order."""
    folders = files.path(files.name).glob("ses-*/func")
    return sorted((folder.parent.name for folder in folders), key=layout.natural_order)


def find(files: SubjectFiles, session: str, suffix: str, **entities: layout.Filter) -> list[Path]:
    """Find downloaded files of one kind by task, run, echo and part.

    Parameters
    ----------
    files : SubjectFiles
    session : str
        Full identifier.
    suffix : {"bold", "sbref", "events"}
    **entities : str, int or list of them, or None
        BIDS entities and requested values; None for any value. Files without an entity pass, as in
        a download.

    Returns
    -------
    list of Path
        May be empty. If a volume exists both compressed and uncompressed, the compressed file.
    """
    wanted = {
        name: {layout.bare(name, one) for one in values}
        for name, value in entities.items()
        if (values := layout.as_list(value, name)) is not None
    }
    found: dict[str, Path] = {}
    for extension in reversed(_EXTENSIONS[suffix]):
        for path in files.path(f"{files.name}/{session}/func").glob(f"*_{suffix}{extension}"):
            actual = layout.parse_entities(path.name).values
            if all(name not in actual or layout.bare(name, actual[name]) in values
                   for name, values in wanted.items()):  # fmt: skip
                found[path.name.removesuffix(extension)] = path
    return [found[stem] for stem in sorted(found, key=layout.natural_order)]


def require(
    files: SubjectFiles, session: str, suffix: str, **entities: layout.Filter
) -> list[Path]:
    """Find downloaded files as `find` does, and raise an error when there are none.

    Raises
    ------
    DataNotDownloadedError
    """
    found = find(files, session, suffix, **entities)
    if found:
        return found
    asked = {name: value for name, value in entities.items() if value is not None}
    said = "".join(f", {name}={value!r}" for name, value in asked.items())
    if layout.is_held_out(f"{files.name}/{session}/func"):
        advice = f"The bucket does not give out the raw data of {session}."
    elif others := find(files, session, suffix):
        names = ", ".join(path.name for path in others[:4]) + (", …" if len(others) > 4 else "")
        advice = f"Local are {names}. download_raw({files.name!r}, ses={session!r}{said}) fetches "
        advice += "it if the bucket has it."
    else:
        advice = f"download_raw({files.name!r}, ses={session!r}{said}) fetches it if the bucket "
        advice += "has it."
    raise DataNotDownloadedError(
        f"No raw {suffix} file of {files.name} {session}{said} is in {files.data_dir}. {advice}"
    )


def read_events(files: SubjectFiles, session: str, run: layout.Filter = None) -> pd.DataFrame:
    """Read and concatenate the events of a session's runs, with columns task and run.

    Raises
    ------
    DataNotDownloadedError
        When there is no such run.
    DamagedFileError, UnreadableFileError
    """
    import pandas as pd

    tables = []
    for path in require(files, session, EVENTS, run=run):
        table = read_table(path, _EVENT_TYPES, needed=(), separator="\t")
        entities = layout.parse_entities(path.name).values
        number = entities.get("run", "")
        named = {
            "run": int(number) if number.isdecimal() else number,
            "task": entities.get("task", ""),
        }
        table = table.assign(**{name: v for name, v in named.items() if name not in table})
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
