"""Export of splits: the published schema, a table, or masks over trials."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.arguments import one_of
from laion_fmri.splits.own import to_schema
from laion_fmri.splits.summary import split_table

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.splits.split import Split

FileKind = Literal["json", "tsv", "npz"]


def split_file(split: Split, kind: FileKind, trials: pd.DataFrame | None = None) -> bytes:
    """Return a split as the content of a file.

    Parameters
    ----------
    split : Split
    kind : {"json", "tsv", "npz"}
        The published schema; the table of `split_table`; or masks over trials: ``train`` and
        ``test``, bool of shape (n_trials,), ``label`` and ``session`` of each trial, and the
        ``edition``.
    trials : DataFrame, optional
        Columns label and session; needed for masks.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidArgumentError
        When masks are requested without trials.

    Examples
    --------
    >>> from laion_fmri.splits import load_split
    >>> split_file(load_split("random_0"), "tsv").splitlines()[0]
    b'image_name\\tside\\tdataset\\tgroup\\tood_type\\tedition'
    """
    one_of("kind of file", kind, ("json", "tsv", "npz"))
    if kind == "json":
        return (json.dumps(to_schema(split), indent=1, ensure_ascii=False) + "\n").encode()
    if kind == "tsv":
        return split_table(split).to_csv(sep="\t", index=False).encode()
    if trials is None:
        raise InvalidArgumentError(
            "Masks are over trials. Give a table with the columns label and session."
        )
    train, test = split.get_masks(trials["label"])
    stored = io.BytesIO()
    np.savez_compressed(
        stored,
        train=train,
        test=test,
        label=trials["label"].to_numpy(np.str_),
        session=trials["session"].to_numpy(np.str_),
        edition=np.array(split.edition),
    )
    return stored.getvalue()


def file_name(
    name: str,
    pool: str,
    kind: FileKind,
    ood_types: Sequence[str] = (),
    subject: str = "",
    session: str = "",
) -> str:
    """Return the file name of a split; for masks, it includes the subject and the session.

    Examples
    --------
    >>> file_name("tau", "shared", "npz", subject="sub-01")
    'shared_tau_sub-01.npz'
    """
    trials = [subject, session] if kind == "npz" else []
    return f"{'_'.join(part for part in (pool, name, *ood_types, *trials) if part)}.{kind}"
