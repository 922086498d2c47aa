"""Selection of the objects of a request, by pure functions of keys.

Filters are permissive: a file without an entity is not excluded by a filter on it. Only ``ses`` is
strict: naming sessions excludes the summaries over sessions, which ``ses="averages"`` includes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError, NoMatchingDataError
from laion_fmri.bucket import BucketObject
from laion_fmri.layout import Entities

AVERAGES = layout.AVERAGES
FILTERS = ("ses", "task", "space", "desc", "stat", "suffix", "extension", "run", "echo", "part")


@dataclass(frozen=True)
class Selection:
    """A request for one subject's files.

    Attributes
    ----------
    subject : str
        Full identifier.
    filters : mapping of str to list of str
        Entity to requested values; absent entities are not filtered.
    include_anatomical, include_freesurfer : bool
        The whole tree, unfiltered.
    include_raw : bool
        Raw BIDS data, filtered.
    include_derivatives : bool
        Betas, summaries and ROIs, filtered.
    include_localizers : bool
        Localizer maps; filters whose values no localizer map has, such as a session of betas, do
        not apply to them.
    """

    subject: str
    filters: Mapping[str, list[str]] = field(default_factory=dict)
    include_anatomical: bool = False
    include_freesurfer: bool = False
    include_raw: bool = False
    include_derivatives: bool = True
    include_localizers: bool = False

    def prefixes(self) -> list[str]:
        """Return the prefixes to list for the request."""
        trees = []
        if self.include_derivatives:
            trees += [layout.BETAS_TREE, layout.ROIS_TREE]
        if self.include_localizers:
            trees.append(layout.LOCALIZERS_TREE)
        if self.include_anatomical:
            trees.append(layout.ANATOMICAL_TREE)
        if self.include_freesurfer:
            trees.append(layout.FREESURFER_TREE)
        raw = [f"{self.subject}/"] if self.include_raw else []
        return [f"{tree}/{self.subject}/" for tree in trees] + raw


def clean_filters(**given: layout.Filter) -> dict[str, list[str]]:
    """Convert filters to lists, dropping those that are None.

    Raises
    ------
    InvalidArgumentError
        When an entity is unknown, a value is not a string, or a filter is empty.
    """
    unknown = set(given) - set(FILTERS)
    if unknown:
        raise InvalidArgumentError(
            f"There is no filter {sorted(unknown)}. Known: {', '.join(FILTERS)}."
        )
    listed = {entity: layout.as_list(value, entity) for entity, value in given.items()}
    filters = {entity: values for entity, values in listed.items() if values is not None}
    for entity, values in filters.items():
        if not values or not all(layout.bare(entity, value) for value in values):
            raise InvalidArgumentError(
                f"{entity}={given[entity]!r} names no value. Give at least one, or leave it out."
            )
    return filters


def select(objects: Iterable[BucketObject], selection: Selection) -> list[BucketObject]:
    """Select the objects of a request, in key order.

    Held-out sessions are excluded. JSON sidecars accompany the file they describe. The mean-R² map
    is included whenever sessions are named, because it defines a brain mask.

    Raises
    ------
    NoMatchingDataError
        When no object is left, a session does not exist, or no file has a value of another filter
        although files have the entity.
    """
    served = [
        o
        for o in objects
        if not layout.is_held_out(o.key)
        and (selection.include_localizers or not _is_localizer(o.key))
    ]
    if served and not selection.filters:
        return served
    candidates = [(o, layout.parse_entities(o.key)) for o in served]
    filters = _spelled_out(selection.filters, [e for _, e in candidates])
    entities = [e for _, e in candidates]
    _require_sessions(filters.get("ses", ()), entities, selection.subject)
    _require_values(filters, entities, selection.subject)
    of_localizers = _of_localizers(filters, candidates)
    chosen = {
        o.key
        for o, e in candidates
        if _is_asked_for(o.key, e, of_localizers if _is_localizer(o.key) else filters)
    }
    chosen |= {o.key for o, _ in candidates if _comes_along(o.key, filters, selection)}
    if not chosen:
        raise _nothing_matches(selection.subject, filters)
    stems = {layout.split_extension(key)[0] for key in chosen}
    return [
        o
        for o, e in candidates
        if o.key in chosen or (e.extension == ".json" and o.key.removesuffix(".json") in stems)
    ]


def _is_asked_for(key: str, entities: Entities, filters: Mapping[str, list[str]]) -> bool:
    if key.startswith((f"{layout.ANATOMICAL_TREE}/", f"{layout.FREESURFER_TREE}/")):
        return False  # filters do not apply to whole trees
    for entity, wanted in filters.items():
        actual = entities.get(entity)
        if entity == "ses":
            if key.startswith(f"{layout.ROIS_TREE}/"):
                continue  # ROIs belong to every session
            if not any(_is_session(actual, value) for value in wanted):
                return False
        elif actual is not None and not any(layout.matches(actual, v, entity) for v in wanted):
            return False
    return True


def _is_localizer(key: str) -> bool:
    return key.startswith(f"{layout.LOCALIZERS_TREE}/")


def _of_localizers(
    filters: Mapping[str, list[str]], candidates: Iterable[tuple[BucketObject, Entities]]
) -> dict[str, list[str]]:
    """Return the filters with a value of some localizer map; the others target other files."""
    maps = [entities for found, entities in candidates if _is_localizer(found.key)]
    values = {entity: {v for e in maps if (v := e.get(entity))} for entity in filters}
    return {
        entity: wanted
        for entity, wanted in filters.items()
        if any(layout.matches(v, w, entity) for v in values[entity] for w in wanted)
    }


def _is_session(actual: str | None, wanted: str) -> bool:
    if actual is None:
        return wanted == AVERAGES
    return layout.matches(actual, wanted, "ses")


def _comes_along(key: str, filters: Mapping[str, list[str]], selection: Selection) -> bool:
    if key.startswith((f"{layout.ANATOMICAL_TREE}/", f"{layout.FREESURFER_TREE}/")):
        return True  # listed only on request
    names_sessions = any(value != AVERAGES for value in filters.get("ses", ()))
    return names_sessions and key == layout.mean_rsquare(selection.subject)


def _spelled_out(
    filters: Mapping[str, list[str]], present: Iterable[Entities]
) -> dict[str, list[str]]:
    """Replace a shortened ``desc`` (``"singletrial"``) in filters by the full values.

    A prefix matches every ``desc`` that begins with it, unless it is a full ``desc`` itself.
    """
    spelled = dict(filters)
    if "desc" in filters:
        descs = sorted({d for e in present if (d := e.get("desc"))})
        spelled["desc"] = [
            full for value in filters["desc"] for full in _descs_meant(value, descs) or [value]
        ]
    return spelled


def _descs_meant(value: str, descs: Iterable[str]) -> list[str]:
    short = layout.bare("desc", value)
    exact = [d for d in descs if d.lower() == short]
    return exact or [d for d in descs if d.lower().startswith(short)]


def _require_sessions(wanted: Iterable[str], present: Iterable[Entities], subject: str) -> None:
    sessions = {s for e in present if (s := e.get("ses"))}
    absent = [
        value
        for value in wanted
        if value != AVERAGES and not any(layout.matches(s, value, "ses") for s in sessions)
    ]
    if absent:
        known = sorted((f"ses-{s}" for s in sessions), key=layout.natural_order)
        meant = [s for value in absent for s in layout.sessions_like(value, known)]
        raise NoMatchingDataError(
            f"{subject} has no session {', '.join(absent)} in the bucket."
            + (f" Did you mean {' or '.join(meant)}?" if meant else "")
            + f" Sessions there: {', '.join(known) or 'none'}."
            + _about_held_out(absent)
        )


def _about_held_out(absent: Iterable[str]) -> str:
    held_out = layout.HELD_OUT_SESSIONS
    if not any(layout.matches(value, one, "ses") for value in absent for one in held_out):
        return ""
    return (
        f" The bucket does not give out responses and raw data of {held_out[0]} to {held_out[-1]}; "
        "include_localizers=True fetches the maps of the object localizer, which was run in ses-31."
    )


def _require_values(
    filters: Mapping[str, list[str]], present: Iterable[Entities], subject: str
) -> None:
    # Files without the entity pass, so a misspelled value would go unnoticed otherwise.
    present = list(present)
    for entity, wanted in filters.items():
        values = {v for e in present if (v := e.get(entity))}
        if (
            entity != "ses"
            and values
            and not any(layout.matches(v, value, entity) for v in values for value in wanted)
        ):
            raise _nothing_matches(subject, {entity: wanted}, values)


def _nothing_matches(
    subject: str, filters: Mapping[str, list[str]], known: Iterable[str] = ()
) -> NoMatchingDataError:
    said = ", ".join(f"{entity}={values!r}" for entity, values in filters.items())
    there = f" There: {', '.join(sorted(known))}." if known else ""
    return NoMatchingDataError(
        f"Nothing of {subject} in the bucket matches {said or 'the request'}.{there} "
        "Loosen a filter; laion_fmri.discovery.list_files shows what is there."
    )
