"""Comparisons, overlaps, terms and pairs of a split, as HTML in the colours of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from laion_fmri.explorer.components.markup import escape
from laion_fmri.explorer.split_space import Measured
from laion_fmri.splits import Evaluation, Split
from laion_fmri.splits.measures import shared_tests

if TYPE_CHECKING:
    import pandas as pd

STYLE = """
table { width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px 4px 0; text-align: right; white-space: nowrap; }
td { border-top: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.scroll th:first-child, .scroll td:first-child { white-space: nowrap; }
table[aria-label="Scores"] :is(th, td):nth-child(2) { text-align: left; }
p { max-width: 76ch; margin: 2px 0 6px; }
.faint td { color: var(--muted); }
.heat { text-align: center; padding: 4px 8px; border: 1px solid var(--line); }
.overlap th:not(:first-child) { text-align: center; padding: 4px 8px; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(232px, 1fr));
  gap: 14px 18px; list-style: none; padding: 0; margin: 8px 0 0; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 4px 6px; font-size: 12px; }
.pair img, .pair .blank { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 4px;
  background: var(--line); display: block; }
.pair .cosine { grid-column: 1 / -1; color: var(--muted); }
.pair .name { font: 11px/1.3 ui-monospace, monospace; }
.meter { display: inline-block; height: 7px; border-radius: 2px; vertical-align: 1px;
  margin-right: 6px; }
"""
_TRAIN, _TEST = "#4c78c8", "#e08a2e"
_SHOWN_TERMS = 12
_CLEAR = 0.05  # false discovery rate


def comparison_table(measured: Measured) -> str:
    """The splits and the random ones in numbers."""
    usual, medians = measured.random_mmd2, measured.random_medians
    rows = ""
    for name, one in measured.splits.items():
        d = one.distances()
        rows += (
            f"<tr><td>{escape(name)}</td><td>{len(one.train_ids):,}</td>"
            f"<td>{len(one.test_ids):,}</td><td>{np.percentile(d, 5):.3f}</td>"
            f"<td>{np.median(d):.3f}</td><td>{_times(float(np.median(d)), medians.mean())}</td>"
            f"<td>{one.mmd2:.5f}</td><td>{_times(one.mmd2, usual)}</td></tr>"
        )
    low = np.mean([np.percentile(one.distances(), 5) for one in measured.random])
    first = measured.random[0]
    name = "five random splits, mean" if measured.are_published else "five random draws, mean"
    rows += (
        f'<tr class="faint"><td>{name}</td><td>{len(first.train_ids):,}</td>'
        f"<td>{len(first.test_ids):,}</td><td>{low:.3f}</td><td>{medians.mean():.3f}</td><td>1.0</td>"
        f"<td>{usual:.5f}</td><td>1.0</td></tr>"
    )
    without = sum(one.n_without for one in measured.splits.values())
    note = (
        f'<p class="muted">{without:,} images have no embedding in {escape(measured.model)} and '
        "are left out.</p>"
        if without
        else ""
    )
    heads = ("Split", "Train", "Test", "5th percentile", "Median distance", "× random", "MMD²",
             "× random")  # fmt: skip
    return (
        f'<div class="scroll"><table aria-label="Comparison">{_head(heads)}'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def scores_table(evaluation: Evaluation) -> str:
    """Scores of every split and ROI, and what the best possible would be."""
    rows = ""
    for row in evaluation.table.to_dict("records"):
        cells = (
            f"{row['n_train']:,} / {row['n_test']:,}",
            f"{row['n_voxels']:,}",
            _number(row["correlation"], ".3f"),
            _number(row["r2"], ".3f"),
            _number(row["noise_ceiling"], ".1f", " %"),
            _number(100 * row["share_of_correlation"], ".0f", " %"),
            _number(100 * row["share_of_r2"], ".0f", " %"),
        )
        rows += (
            f"<tr><td>{escape(row['split'])}</td><td>{escape(row['roi'])}</td>"
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    heads = ("Split", "ROI", "Train / test images", "Voxels", "r", "R²", "Noise ceiling",
             "r, of the best possible", "R², of the best possible")  # fmt: skip
    return (
        f'<div class="scroll"><table aria-label="Scores">{_head(heads)}'
        f"<tbody>{rows}</tbody></table></div>"
        '<p class="muted">Means over voxels. The noise ceiling is that of these test images at '
        "their repeats, from the published one.</p>"
    )


def _number(value: float, form: str, unit: str = "") -> str:
    return f"{value:{form}}{unit}" if np.isfinite(value) else "–"


def overlap_table(splits: Mapping[str, Split]) -> str:
    """How many test images splits have in common, darker the larger the share."""
    names = list(splits)
    counts = shared_tests({name: split.test_ids for name, split in splits.items()})
    sizes = np.diag(counts)
    rows = ""
    for i, name in enumerate(names):
        cells = ""
        for j in range(len(names)):
            either = sizes[i] + sizes[j] - counts[i, j]
            share = counts[i, j] / either if either else 0.0
            shade = f"color-mix(in srgb, {_TEST} {60 * share:.0f}%, transparent)"
            cells += (
                f'<td class="heat" style="background:{shade}" '
                f'title="{100 * share:.0f} % of the images in either">{counts[i, j]:,}</td>'
            )
        rows += f"<tr><td>{escape(name)}</td>{cells}</tr>"
    return (
        "<h3>Test images in common</h3>"
        '<p class="muted">Images that are in the test side of both; on the diagonal, the sizes.</p>'
        f'<div class="scroll"><table class="overlap" aria-label="Overlap">{_head(("", *names))}'
        f"<tbody>{rows}</tbody></table></div>"
    )


def terms_table(title: str, what: str, table: pd.DataFrame) -> str:
    """Terms that one side has more of; `table` as from `differing_terms`."""
    known = f"{table.attrs['n_train']:,} training and {table.attrs['n_test']:,} test images"
    clear = int((table["q"] < _CLEAR).sum())
    said = (
        f"{clear:,} of {len(table):,} differ at a false discovery rate of {100 * _CLEAR:.0f} %"
        if clear
        else f"none of {len(table):,} differs clearly"
    )
    sides = ((table[table["log_odds"] > 0], "More in test"),
             (table[table["log_odds"] < 0], "More in train"))  # fmt: skip
    shown = "".join(_terms_side(head, part.head(_SHOWN_TERMS)) for part, head in sides)
    return (
        f"<h3>{escape(title)}</h3>"
        f'<p class="muted">Share of images with {escape(what)}, known of {known}: {said}. z: log '
        "odds ratio over its standard error.</p>"
        f'<div style="display:flex;flex-wrap:wrap;gap:16px 32px">{shown}</div>'
    )


def pairs_list(
    pairs: Sequence[tuple[str, str, float]],
    pictures: Mapping[str, str] | None,
    captions: Mapping[str, str],
) -> str:
    """Test images beside their nearest training images.

    Parameters
    ----------
    pairs : sequence of (test, train, cosine)
    pictures : mapping or None
        ``data:`` addresses by name; None where the images are not here.
    captions : mapping
        Shown in their place.
    """
    items = "".join(
        f'<li class="pair">{_half(train, "Train", _TRAIN, pictures, captions)}'
        f"{_half(test, 'Test', _TEST, pictures, captions)}"
        f'<div class="cosine">cosine {cosine:.3f}</div></li>'
        for test, train, cosine in pairs
    )
    return f'<ul class="pairs" aria-label="Pairs across the sides">{items}</ul>'


def _half(
    name: str,
    side: str,
    colour: str,
    pictures: Mapping[str, str] | None,
    captions: Mapping[str, str],
) -> str:
    shown = ""
    if pictures is not None:
        address = pictures.get(name)
        shown = (
            f'<img src="{escape(address)}" alt="{escape(name)}">'
            if address
            else '<div class="blank"></div>'
        )
    caption = captions.get(name, "") if pictures is None else ""
    said = f"<div>{escape(caption)}</div>" if caption else ""
    return (
        f'<div title="{escape(name)}">{shown}<div><i class="meter" style="width:8px;'
        f'background:{colour}"></i>{side}</div>{said}<div class="name">{escape(name)}</div></div>'
    )


def _terms_side(title: str, table: pd.DataFrame) -> str:
    largest = max(float(table[["share_train", "share_test"]].to_numpy().max(initial=0)), 1e-9)
    columns = ("term", "n_train", "n_test", "share_train", "share_test", "z", "q")
    rows = "".join(
        f"<tr{'' if q < _CLEAR else ' class=faint'}><td>{escape(term)}</td>"
        f"<td>{_meter(in_train / largest, _TRAIN)}{_percent(in_train)}</td>"
        f"<td>{_meter(in_test / largest, _TEST)}{_percent(in_test)}</td>"
        f"<td>{n_train:,} / {n_test:,}</td><td>{z:+.1f}</td></tr>"
        for term, n_train, n_test, in_train, in_test, z, q in zip(
            *(table[column].tolist() for column in columns), strict=True
        )
    )
    if not rows:
        rows = '<tr class="faint"><td colspan="5">No term of five images or more</td></tr>'
    return (
        f'<div style="flex:1 1 320px;min-width:0"><table aria-label="{escape(title)}">'
        f"{_head((title, 'Train', 'Test', 'Images', 'z'))}<tbody>{rows}</tbody></table></div>"
    )


def _meter(share: float, colour: str) -> str:
    return f'<i class="meter" style="width:{44 * share:.0f}px;background:{colour}"></i>'


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _times(value: float, usual: float) -> str:
    return f"{value / usual:.2f}" if usual > 0 else "–"


def _head(titles: Sequence[str]) -> str:
    cells = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return f"<thead><tr>{cells}</tr></thead>"
