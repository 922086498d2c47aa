"""Tables, bars and galleries of a split, as HTML in the colours of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from laion_fmri.explorer.split_data import Looks
from laion_fmri.splits import SplitSizes

if TYPE_CHECKING:
    import pandas as pd

STYLESHEET = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

_SIDES = {"train": "Train", "test": "Test", "neither": "Neither"}


def heading(
    title: str, meaning: str, pool: str, sizes: SplitSizes, parameters: Sequence[tuple[str, str]]
) -> str:
    """What the split is, how large its sides are, how it was made."""
    numbers = "".join(
        f'<div><b>{n:,}</b><span><i class="dot {side}"></i>{_SIDES[side]} images'
        f" ({_share(n, sum(sizes))})</span></div>"
        for side, n in zip(("train", "test"), sizes, strict=True)
    )
    shown = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in parameters)
    return (
        f"<h3>{escape(title)}</h3><p>{escape(meaning)}</p>"
        f'<div class="quiet">Pool: {escape(pool)}.</div>'
        f'<div class="sizes">{numbers}</div>{_shares(dict(zip(_SIDES, sizes, strict=False)))}'
        f"<dl>{shown}</dl>"
    )


def composition_table(table: pd.DataFrame, pool: str) -> str:
    """What each side is made of; `table` as from `laion_fmri.splits.summary.composition`."""
    largest = max(int(table[["train", "test"]].to_numpy().max(initial=1)), 1)
    rows = "".join(
        f"<tr><td>{escape(_kind(dataset, ood_type))}</td>"
        f'<td class="left">{"everyone" if group == "shared" else escape(pool)}</td>'
        f"{_bar(n_train, largest, 'train')}{_bar(n_test, largest, 'test')}</tr>"
        for dataset, ood_type, group, n_train, n_test in table.to_numpy()
    )
    return (
        "<h3>Composition</h3>"
        '<div class="quiet">Images of each side by dataset and out-of-distribution type</div>'
        '<table aria-label="Composition"><thead><tr><th>Dataset</th><th class="left">Seen by</th>'
        '<th class="left" style="padding-left:8px">Train</th>'
        '<th class="left" style="padding-left:8px">Test</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def trials_table(table: pd.DataFrame, sizes: SplitSizes, whose: str, hint: str = "") -> str:
    """Trials on each side; `table` as from `laion_fmri.splits.summary.trial_counts`."""
    on_side = {"train": sizes.n_train, "test": sizes.n_test}
    total = int(table["n_trials"].sum())
    counts = {str(side): int(n) for side, n in table["n_trials"].items()}
    rows = "".join(
        f'<tr><td><i class="dot {side}"></i>{_SIDES[side]}</td><td>{n:,.0f}</td>'
        f"<td>{_share(n, total)}</td>"
        f"<td>{n_images:,.0f}{f' of {on_side[side]:,}' if side in on_side else ''}</td>"
        f"<td>{_repeats(*repeats)}</td></tr>"
        for side, (n, n_images, *repeats) in zip(counts, table.to_numpy(float), strict=True)
    )
    return (
        f'<h3>Trials</h3><div class="quiet">{escape(whose)}: {total:,} trials</div>'
        f'<div style="margin-top:8px">{_shares(counts)}</div>'
        '<table aria-label="Trials"><thead><tr><th>Side</th><th>Trials</th><th>Share</th>'
        "<th>Images seen</th><th>Repeats of an image</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        + (f'<p class="quiet" style="margin-top:8px">{escape(hint)}</p>' if hint else "")
    )


def gallery(
    side: str,
    title: str,
    said: str,
    names: Sequence[str],
    looks: Looks,
) -> str:
    """Some images: pictures by name, blank where still missing; else captions and names."""
    head = (
        f'<h3><i class="dot {side}"></i>{escape(title)}</h3><div class="quiet">{escape(said)}</div>'
    )
    return head + _images(names, looks)


def region(
    names: Sequence[str], shown: Sequence[str], sides: Mapping[str, str], looks: Looks
) -> str:
    """Images of a region of a map; `sides` says which side each is on, if on any."""
    counts = {side: sum(sides.get(name) == side for name in names) for side in ("train", "test")}
    unused = len(names) - sum(counts.values())
    said = f"{counts['train']:,} train, {counts['test']:,} test"
    said += f", {unused:,} in neither" if unused else ""
    if len(shown) < len(names):
        said += f" · {len(shown)} shown"
    head = f"<h3>{len(names):,} images in the region</h3>"
    return f'{head}<div class="quiet">{said}</div>{_images(shown, looks, sides)}'


def _images(names: Sequence[str], looks: Looks, sides: Mapping[str, str] | None = None) -> str:
    def dot(name: str) -> str:
        return f'<i class="dot {sides.get(name, "neither")}"></i>' if sides is not None else ""

    if looks.pictures is None:
        items = "".join(
            f"<li>{dot(name)}{_caption(looks.captions.get(name, ''))}"
            f'<span class="id">{_breakable(name)}</span></li>'
            for name in names
        )
        return f'<ul class="ids">{items}</ul>'
    pictures = looks.pictures
    items = "".join(
        f'<li title="{escape(name)}">{_picture(name, pictures.get(name))}'
        f'<div class="id">{dot(name)}{_breakable(_short(name))}</div></li>'
        for name in names
    )
    return f'<ul class="gallery">{items}</ul>'


def _caption(caption: str) -> str:
    return f'<div class="caption">{escape(caption)}</div>' if caption else ""


def _picture(name: str, address: str | None) -> str:
    if address is None:
        return '<div class="blank"></div>'
    return f'<img src="{escape(address)}" alt="{escape(name)}">'


def _short(name: str) -> str:
    """The name without what every name has: who saw it, how often, and the extension."""
    stem = name.rpartition(".")[0] or name
    first, _, rest = stem.partition("_")
    if first == "shared":
        rest = rest.partition("_")[2] or rest
    return rest or stem


def _breakable(name: str) -> str:
    return escape(name).replace("_", "_<wbr>")


def _kind(dataset: str, ood_type: str) -> str:
    return f"OOD · {ood_type}" if ood_type else dataset or "other"


def _bar(n: int, largest: int, side: str) -> str:
    if not n:
        return '<td class="bar"><div style="opacity:0.4">–</div></td>'
    width = f"max(2px, calc((100% - 48px) * {n / largest:.3f}))"
    return f'<td class="bar"><div><i class="{side}" style="width:{width}"></i>{n:,}</div></td>'


def _shares(counts: Mapping[str, int]) -> str:
    parts = "".join(f'<div class="{k}" style="flex:{n}"></div>' for k, n in counts.items() if n)
    label = ", ".join(f"{_SIDES[k]} {n:,}" for k, n in counts.items())
    return f'<div class="shares" role="img" aria-label="{label}">{parts}</div>'


def _share(n: float, total: int) -> str:
    return f"{100 * n / total:.0f} %" if total else "–"


def _repeats(low: float, mean: float, high: float) -> str:
    if mean != mean:  # NaN: no trial
        return "–"
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}, mean {mean:.1f}"
