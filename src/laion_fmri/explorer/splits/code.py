"""Python that reproduces the contents of the Splits tab."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laion_fmri.explorer.splits.data import SplitChoice


def split_code(choice: SplitChoice, names: Sequence[str] = (), model: str = "") -> str:
    """Return Python that loads a split, masks the chosen trials, and measures the splits.

    Parameters
    ----------
    choice : SplitChoice
    names : sequence of str
        Splits in the comparison.
    model : str
        Embedding of the measures; empty for no measures.
    """
    pool = f"pool={literal(choice.pool)}"
    types = f", ood_types={literal(list(choice.ood_types))}" if choice.ood_types else ""
    arguments = f"{literal(choice.name)}, {pool}{types}"
    functions = ["get_train_test_ids"]
    lines = [f"train_ids, test_ids = get_train_test_ids({arguments})"]
    if choice.subject:
        functions.append("get_split_masks")
        trials = f".get_trial_info(session={literal(choice.session)})"
        if not choice.session:
            trials = ".metadata"
        lines += [
            f"trials = load_subject({literal(choice.subject)}){trials}",
            f"train, test = get_split_masks(trials, {arguments})",
        ]
    if model:
        functions.append("compare_splits")
        compared = literal(list(names) or [choice.name])
        lines.append(
            f"found = compare_splits({compared}, {pool}, embedding={literal(model)}{types})"
        )
        lines.append("found.table")
    imports = [f"from laion_fmri.splits import {', '.join(sorted(functions))}"]
    if choice.subject:
        imports.append("from laion_fmri.subject import load_subject")
    return "\n".join([*imports, "", *lines])


def make_code(name: str, method: str, arguments: Mapping[str, Any]) -> str:
    """Return Python that makes a split."""
    values = "".join(f"    {key}={literal(value)},\n" for key, value in arguments.items())
    call = f"split = make_split(\n    {literal(name)},\n    {literal(method)},\n{values})"
    return f"from laion_fmri.splits import make_split\n\n{call}"


def score_code(
    subject: str,
    pool: str,
    splits: Sequence[str],
    rois: Sequence[str],
    *,
    embedding: str,
    session: str = "",
    nc_threshold: float = 0.0,
) -> str:
    """Return Python that computes the same scores."""
    arguments = [
        literal(splits[0] if len(splits) == 1 else list(splits)),
        literal(subject),
        literal(rois[0] if len(rois) == 1 else list(rois)),
        f"pool={literal(pool)}",
        f"embedding={literal(embedding)}",
    ]
    if session:
        arguments.append(f"session={literal(session)}")
    if nc_threshold:
        arguments.append(f"nc_threshold={nc_threshold:g}")
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return (
        "from laion_fmri.splits import evaluate\n\n"
        f"found = evaluate(\n{lines})\n"
        "print(found.table)\n"
        f"correlation = found.values({literal(splits[0])})  # one value a voxel of the brain mask"
    )


def literal(value: Any) -> str:
    """Format a value as Python, strings in double quotes."""
    is_text = isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(one, str) for one in value)
    )
    return json.dumps(value, ensure_ascii=False) if is_text else repr(value)
