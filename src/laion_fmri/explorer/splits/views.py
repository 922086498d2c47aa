"""Tables and bars of a split as HTML in the colours of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from laion_fmri.explorer.widgets.markup import HtmlPane, markup
from laion_fmri.splits import Evaluation, SplitMeasures, SplitSizes
from laion_fmri.splits.descriptions import (
    describe_parameters,
    describe_pool,
    describe_split,
    split_title,
)

if TYPE_CHECKING:
    import pandas as pd

    from laion_fmri.explorer.widgets.image_grid import Tile

COLOURS = {"unused": "#9aa3ad", "train": "#4c78c8", "test": "#e08a2e"}
"""Colours of the sides of a split: mid tones, visible on light and dark pages."""

STYLESHEET = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

_SIDES = {"train": "Train", "test": "Test", "neither": "Neither"}
_SHOWN_TERMS = 12
_FDR = 0.05  # false discovery rate below which a difference is clear


def split_html() -> HtmlPane:
    """Return a pane for the HTML of this module."""
    return markup(style=STYLESHEET)


def table_html(
    label: str, heads: Sequence[str], rows: Iterable[Sequence[object]], name: str = ""
) -> Markup:
    """Format a table with a header row; `name` is a CSS class."""
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(title) for title in heads)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(_cell(cell) for cell in row)) for row in rows
    )
    return Markup(
        '<div class="scroll"><table class="{}" aria-label="{}"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(name, label, head, body)


def heading(name: str, pool: str, params: Mapping[str, Any], sizes: SplitSizes) -> Markup:
    """Format the purpose of a split, the sizes of its sides, and its parameters."""
    numbers = Markup("").join(
        Markup("<div><b>{:,}</b><span>{}{} images ({})</span></div>").format(
            n, dot(side), _SIDES[side], _share(n, sum(sizes))
        )
        for side, n in zip(("train", "test"), sizes, strict=True)
    )
    shown = Markup("").join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(*labelled)
        for labelled in describe_parameters(params)
    )
    return Markup(
        '<h3>{}</h3><p>{}</p><div class="muted">Pool: {}.</div>'
        '<div class="sizes">{}</div>{}<dl>{}</dl>'
    ).format(
        split_title(name),
        describe_split(name, params),
        describe_pool(pool),
        numbers,
        _shares(dict(zip(_SIDES, sizes, strict=False))),
        shown,
    )


def composition_table(table: pd.DataFrame, pool: str) -> Markup:
    """Format the table of `laion_fmri.splits.composition`, with bars."""
    largest = max(int(table[["train", "test"]].to_numpy().max(initial=1)), 1)
    rows = (
        (
            f"OOD · {ood_type}" if ood_type else dataset or "other",
            "everyone" if group == "shared" else pool,
            _bar(n_train, largest, "train"),
            _bar(n_test, largest, "test"),
        )
        for dataset, ood_type, group, n_train, n_test in table.to_numpy()
    )
    said = "Images of each side by dataset and out-of-distribution type"
    return Markup('<h3>Composition</h3><p class="muted">{}</p>{}').format(
        said, table_html("Composition", ("Dataset", "Seen by", "Train", "Test"), rows, "left")
    )


def trials_table(table: pd.DataFrame, sizes: SplitSizes, whose: str, hint: str = "") -> Markup:
    """Format the table of `laion_fmri.splits.trial_counts`."""
    n_images_on = {"train": f" of {sizes.n_train:,}", "test": f" of {sizes.n_test:,}"}
    counts = {str(side): int(n) for side, n in table["n_trials"].items()}
    total = sum(counts.values())
    rows = (
        (
            dot(side) + _SIDES[side],
            f"{n:,.0f}",
            _share(n, total),
            f"{n_images:,.0f}{n_images_on.get(side, '')}",
            _repeats(*repeats),
        )
        for side, (n, n_images, *repeats) in zip(counts, table.to_numpy(float), strict=True)
    )
    heads = ("Side", "Trials", "Share", "Images seen", "Repeats of an image")
    return Markup('<h3>Trials</h3><p class="muted">{}: {:,} trials</p>{}{}{}').format(
        whose, total, _shares(counts), table_html("Trials", heads, rows), _note(hint)
    )


def comparison_table(measured: SplitMeasures) -> Markup:
    """Format the table of `SplitMeasures`."""
    rows = [
        (
            name,
            f"{row['n_train']:,.0f}",
            f"{row['n_test']:,.0f}",
            f"{row['distance_p5']:.3f}",
            f"{row['distance_median']:.3f}",
            *_against(row, "distance"),
            f"{row['mmd2']:.5f}",
            _number(row["mmd2_unbiased"], ".5f"),
            *_against(row, "mmd2"),
        )
        for name, row in measured.table.iterrows()
    ]
    n_draws = max((len(random.mmd2) for random in measured.random.values()), default=0)
    note = _note(
        f"× random: relative to the mean of {f'{n_draws:,} ' if n_draws else ''}random splits of "
        "the same images into sides of the same sizes, with their central 95 % in brackets. p: "
        "share of random splits with at least this value. MMD² is larger for smaller sides; "
        "its unbiased estimate is 0 on average for sides drawn from one distribution."
    )
    if without := sum(one.n_without for one in measured.splits.values()):
        note += _note(f"{without:,} images without an embedding in {measured.model} are left out.")
    heads = ("Split", "Train", "Test", "5th percentile", "Median distance", "× random", "p",
             "MMD²", "MMD², unbiased", "× random", "p")  # fmt: skip
    return table_html("Comparison", heads, rows) + note


def scores_table(evaluation: Evaluation) -> Markup:
    """Format the scores of each split and ROI, and their noise ceilings."""
    rows = (
        (
            row["split"],
            row["roi"],
            f"{row['n_train']:,} / {row['n_test']:,}",
            f"{row['n_voxels']:,}",
            _number(row["correlation"], ".3f"),
            _number(row["r2"], ".3f"),
            _number(row["noise_ceiling"], ".1f", " %"),
            _number(100 * row["share_of_correlation"], ".0f", " %"),
            _number(100 * row["share_of_r2"], ".0f", " %"),
        )
        for row in evaluation.table.to_dict("records")
    )
    heads = ("Split", "ROI", "Train / test images", "Voxels", "r", "R²", "Noise ceiling",
             "r, of the best possible", "R², of the best possible")  # fmt: skip
    return table_html("Scores", heads, rows) + _note(
        f"Predicted from {evaluation.embedding}; means over voxels. The noise ceiling is that of "
        "these test images and their repeats, from the published one."
    )


def terms_table(title: str, what: str, table: pd.DataFrame) -> Markup:
    """Format the terms that are more frequent on one side; `table` is from `compare_terms`."""
    n_clear = int((table["q"] < _FDR).sum())
    said = (
        f"{n_clear:,} of {len(table):,} differ at a false discovery rate of {100 * _FDR:.0f} %"
        if n_clear
        else f"none of {len(table):,} differs clearly"
    )
    sides = (("More in test", table[table["log_odds"] > 0]),
             ("More in train", table[table["log_odds"] < 0]))  # fmt: skip
    return Markup('<h3>{}</h3><p class="muted">{}</p><div class="columns">{}</div>').format(
        title,
        f"Share of images with {what}, in {table.attrs['n_train']:,} training and "
        f"{table.attrs['n_test']:,} test images: {said}. z: log odds ratio over its standard "
        "error.",
        Markup("").join(_terms_of_side(head, part.head(_SHOWN_TERMS)) for head, part in sides),
    )


def _terms_of_side(title: str, table: pd.DataFrame) -> Markup:
    largest = max(float(table[["share_train", "share_test"]].to_numpy().max(initial=0)), 1e-9)
    rows = [
        (
            row["term"],
            *(
                Markup('<i class="meter {}" style="width:{:.0f}px"></i>{:.1f} %').format(
                    side, 44 * row[f"share_{side}"] / largest, 100 * row[f"share_{side}"]
                )
                for side in ("train", "test")
            ),
            f"{row['n_train']:,} / {row['n_test']:,}",
            Markup('<span class="{}">{:+.1f}</span>').format(
                "" if row["q"] < _FDR else "muted", row["z"]
            ),
        )
        for row in table.to_dict("records")
    ] or [("No term of five images or more", "", "", "", "")]
    return table_html(title, (title, "Train", "Test", "Images", "z"), rows)


def pairs_list(pairs: Sequence[tuple[Tile, Tile, float]]) -> Markup:
    """Format test images next to their nearest training images.

    Parameters
    ----------
    pairs : sequence of (test, train, cosine)
        Images as tiles: a picture, or text in its place.
    """
    items = Markup("").join(
        Markup('<li class="pair">{}{}<div class="muted">cosine {:.3f}</div></li>').format(
            _half(train, "train"), _half(test, "test"), cosine
        )
        for test, train, cosine in pairs
    )
    return Markup('<ul class="pairs" aria-label="Pairs across the sides">{}</ul>').format(items)


def _half(tile: Tile, side: str) -> Markup:
    shown = Markup("<div>{}</div>").format(tile.words) if tile.words else Markup("")
    if address := tile.to_page(0)["picture"]:
        shown = Markup('<img src="{}" alt="{}">').format(address, tile.title)
    return Markup('<div title="{}">{}<div>{}{}</div><div class="name">{}</div></div>').format(
        tile.title, shown, dot(side), _SIDES[side], tile.title
    )


def dot(side: str) -> Markup:
    """Format a square in the colour of a side."""
    return Markup('<i class="dot {}"></i>').format(side)


def _cell(value: object) -> Markup:
    return Markup("<td>{}</td>").format(value)


def _note(text: str) -> Markup:
    return Markup('<p class="muted">{}</p>').format(text) if text else Markup("")


def _bar(n: int, largest: int, side: str) -> Markup:
    width = f"max(2px, calc((100% - 48px) * {n / largest:.3f}))" if n else "0"
    return Markup('<div class="bar-cell"><i class="{}" style="width:{}"></i>{}</div>').format(
        side, width, f"{n:,}" if n else "–"
    )


def _shares(counts: Mapping[str, int]) -> Markup:
    parts = Markup("").join(
        Markup('<div class="{}" style="flex:{}"></div>').format(k, n)
        for k, n in counts.items()
        if n
    )
    label = ", ".join(f"{_SIDES[k]} {n:,}" for k, n in counts.items())
    return Markup('<div class="shares" role="img" aria-label="{}">{}</div>').format(label, parts)


def _against(row: pd.Series, measure: str) -> tuple[str, str]:
    """Return the ratio to random splits with its interval, and the p-value."""
    ratio, low, high, p = (row[f"{measure}_{c}"] for c in ("ratio", "ratio_low", "ratio_high", "p"))
    if np.isnan(p):  # random splits are still being measured
        return (_number(ratio, ".2f") if np.isfinite(ratio) else "…"), "…"
    interval = Markup(' <span class="muted">({:.2f}–{:.2f})</span>').format(low, high)
    return _number(ratio, ".2f") + (interval if np.isfinite(low) else ""), f"{p:.3f}"


def _number(value: float, form: str, unit: str = "") -> str:
    return f"{value:{form}}{unit}" if np.isfinite(value) else "–"


def _share(n: float, total: int) -> str:
    return f"{100 * n / total:.0f} %" if total else "–"


def _repeats(low: float, mean: float, high: float) -> str:
    if np.isnan(mean):  # no trials
        return "–"
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}, mean {mean:.1f}"
