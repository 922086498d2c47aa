"""A request by kind of data, and the calls of the library that fetch it.

`plan` plans the list of `Call`; `code` writes it as Python and as shell commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from laion_fmri import layout
from laion_fmri.download_plans import ALL_SUBJECTS
from laion_fmri.download_request.choices import (
    CHOICES,
    EVERY_FILE_KIND,
    IMAGES,
    LOCALIZERS,
    RAW,
    SPLITS,
    Choice,
    FileKind,
)
from laion_fmri.localizers import TASKS as LOCALIZER_TASKS
from laion_fmri.selection import AVERAGES
from laion_fmri.transfer.plan import count_of

N_JOBS = 4
"""Number of concurrent downloads."""

# Filters that match nothing are refused, even with whole trees. The mean-R² map is small, and is
# downloaded with sessions anyway.
_LEAST = FileKind("R2mean", "statmap", "averages")

Filters = dict[str, object]


@dataclass(frozen=True)
class SubjectOffer:
    """The data of one subject that the bucket serves.

    Attributes
    ----------
    sessions : tuple of str
        Sessions with single-trial responses.
    raw_sessions : tuple of str
        Sessions with raw data.
    has_localizers : bool
    """

    sessions: tuple[str, ...] = ()
    raw_sessions: tuple[str, ...] = ()
    has_localizers: bool = False


@dataclass(frozen=True)
class Offer:
    """The data that the bucket serves.

    Attributes
    ----------
    subjects : mapping of str to SubjectOffer
    splits : tuple of str
        Keys of split files in the dataset itself; empty when its splits are published elsewhere.
    """

    subjects: Mapping[str, SubjectOffer]
    splits: tuple[str, ...] = ()

    def sessions(self, subjects: Iterable[str], raw: bool = False) -> list[str]:
        """Return the sessions of any of these subjects, in order."""
        offers = [self.subjects.get(name, SubjectOffer()) for name in subjects]
        found = {s for o in offers for s in (*o.sessions, *(o.raw_sessions if raw else ()))}
        return sorted(found, key=layout.natural_order)


@dataclass(frozen=True)
class Request:
    """The user's choice of data.

    Attributes
    ----------
    subjects : tuple of str
    sessions : tuple of str
        May include ``"averages"``.
    what : tuple of str
        Labels of `CHOICES`.
    files : tuple of str
        Keys of single files.
    """

    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    what: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The chosen kinds of data, in the order shown on screen."""
        return tuple(choice for label, choice in CHOICES.items() if label in self.what)

    def title(self) -> str:
        """A one-line summary of the request."""
        of_subjects = any(choice.scope != "dataset" for choice in self.choices)
        by_session = any(choice.files or choice.scope == "session" for choice in self.choices)
        parts = [_shortened(self.subjects)] if of_subjects else []
        parts += [_shortened(in_ranges(self.sessions))] if by_session and self.sessions else []
        parts += [_shortened([choice.label for choice in self.choices])] if self.what else []
        parts += [count_of(len(self.files), "chosen file")] if self.files else []
        return " · ".join(parts)

    def advice(self) -> str:
        """What remains to be chosen; empty when the request is complete."""
        if not self.what and not self.files:
            return "Choose what to download."
        of_subjects = [c for c in self.choices if c.scope != "dataset"]
        if of_subjects and not self.subjects:
            return "Choose a subject."
        idle = [c.label for c in of_subjects if self._is_idle(c)]
        if idle and not self.sessions:
            either = "a session, or the averages," if idle != [RAW] else "a session"
            return f"Choose {either} for: {', '.join(idle)}."
        if idle:
            other = "a session" if AVERAGES in self.sessions else "the averages"
            return f"Choose {other} as well for: {', '.join(idle)}."
        return ""

    def _is_idle(self, choice: Choice) -> bool:
        """Whether no chosen session has files of a choice."""
        if choice.files:
            return not _kinds(choice, self.sessions)
        return choice.scope == "session" and set(self.sessions) <= {AVERAGES}


def lacking(request: Request, offer: Offer) -> list[str]:
    """Return sentences on chosen data that the bucket lacks for the chosen subjects.

    Examples
    --------
    >>> offer = Offer({"sub-05": SubjectOffer(("ses-01",))})
    >>> lacking(Request(("sub-05",), ("ses-01",), ("Raw data (BIDS)",)), offer)
    ['The bucket has no raw data of sub-05.']
    """
    said: dict[str, list[str]] = {}
    by_session = any(choice.files for choice in request.choices)
    for name in request.subjects:
        has = offer.subjects.get(name, SubjectOffer())
        named = [session for session in request.sessions if session != AVERAGES]
        if RAW in request.what and not has.raw_sessions:
            said.setdefault("raw data", []).append(name)
        elif RAW in request.what:
            without = [session for session in named if session not in has.raw_sessions]
            if without:
                said.setdefault(f"raw data of {_listed(without)}", []).append(name)
        if LOCALIZERS in request.what and not has.has_localizers:
            said.setdefault("localizers", []).append(name)
        without = [s for s in named if s not in (*has.sessions, *has.raw_sessions)]
        if by_session and without:
            said.setdefault(f"responses of {_listed(without)}", []).append(name)
    return [f"The bucket has no {what} of {_listed(names)}." for what, names in said.items()]


def _listed(names: Sequence[str]) -> str:
    return _shortened(in_ranges(names))


@dataclass(frozen=True)
class Call:
    """One call of a download function."""

    verb: str
    arguments: Mapping[str, object]


def calls(request: Request, offer: Offer) -> list[Call]:
    """Return the calls that fetch the choice, as few as the filter grammar allows.

    Data that a subject does not have are not requested.
    """
    made = [*_derivative_calls(request, offer), *_raw_calls(request, offer)]
    made += _dataset_calls(request, offer)
    # A dataset's own splits are single files too; request each only once.
    wanted = [key for key in request.files if key not in layout.GATED_KEYS]
    if SPLITS in request.what:
        wanted += offer.splits
    if wanted:
        made.append(Call("download_files", {"keys": _in_order(wanted), "n_jobs": N_JOBS}))
    return made


def _derivative_calls(request: Request, offer: Offer) -> list[Call]:
    groups: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for name in request.subjects:
        has = offer.subjects.get(name, SubjectOffer())
        sessions = tuple(s for s in (*has.sessions, AVERAGES) if s in request.sessions)
        groups.setdefault((sessions, has.has_localizers), []).append(name)
    made: list[Call] = []
    for (sessions, has_localizers), members in groups.items():
        whole = all({*offer.subjects[s].sessions, AVERAGES} == set(sessions) for s in members)
        for filters in _filters(request.choices, sessions, whole, has_localizers):
            subject = _subject(members, offer)
            made.append(Call("download", {"subject": subject, **filters, "n_jobs": N_JOBS}))
    return made


def _raw_calls(request: Request, offer: Offer) -> list[Call]:
    if RAW not in request.what:
        return []
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in request.subjects:
        there = offer.subjects.get(name, SubjectOffer()).raw_sessions
        sessions = tuple(s for s in there if s in request.sessions)
        if sessions:
            groups.setdefault(sessions, []).append(name)
    made = []
    for sessions, members in groups.items():
        whole = all(offer.subjects[name].raw_sessions == sessions for name in members)
        filters: Filters = {} if whole else {"ses": _one_or_list(sessions)}
        subject = _subject(members, offer)
        made.append(Call("download_raw", {"subject": subject, **filters, "n_jobs": N_JOBS}))
    return made


def _subject(members: Sequence[str], offer: Offer) -> str | list[str]:
    everyone = len(members) > 1 and set(members) == set(offer.subjects)
    return ALL_SUBJECTS if everyone else _one_or_list(members)


def _filters(
    choices: Iterable[Choice], sessions: tuple[str, ...], whole: bool, has_localizers: bool
) -> list[Filters]:
    """Return arguments of `download`, one dict per call."""
    choices = list(choices)
    flags: Filters = {c.flag: True for c in choices if c.flag}
    made: list[Filters] = []
    for block in _blocks([_kinds(c, sessions) for c in choices if c.files], sessions):
        filters: Filters = {}
        if not whole and any(kind.level != "subject" for kind in block):
            filters["ses"] = _one_or_list(sessions)
        filters["task"] = "images"
        descs = _in_order(kind.desc for kind in block if kind.desc)
        if descs:
            filters["desc"] = _one_or_list(descs)
        filters["suffix"] = _one_or_list(_in_order(kind.suffix for kind in block))
        made.append(filters)
    if has_localizers and any(c.label == LOCALIZERS for c in choices):
        only_they = {"task": list(LOCALIZER_TASKS), "suffix": "statmap"}
        made.append({**only_they, "include_localizers": True})
    if flags and not made:
        made.append(
            {"ses": AVERAGES, "task": "images", "desc": _LEAST.desc, "suffix": _LEAST.suffix}
        )
    if made:
        made[0] |= flags
    return made


def _kinds(choice: Choice, sessions: Sequence[str]) -> list[FileKind]:
    """Return the kinds of files of a choice that exist for some of `sessions`."""
    named = any(session != AVERAGES for session in sessions)
    levels = {"subject"} | ({"session"} if named else set())
    levels |= {"averages"} if AVERAGES in sessions else set()
    return [kind for kind in choice.files if kind.level in levels]


def _blocks(wanted: Iterable[list[FileKind]], sessions: Sequence[str]) -> list[list[FileKind]]:
    """Group kinds that one ``desc`` and one ``suffix`` filter select exactly."""
    blocks: list[list[FileKind]] = []
    for kinds in filter(None, wanted):
        for block in blocks:
            if _let_through([*block, *kinds], sessions) == {*block, *kinds}:
                block += kinds
                break
        else:
            blocks.append(list(kinds))
    return blocks


def _let_through(kinds: Sequence[FileKind], sessions: Sequence[str]) -> set[FileKind]:
    descs, suffixes = {k.desc for k in kinds if k.desc}, {k.suffix for k in kinds}
    possible = {k for c in CHOICES.values() for k in _kinds(c, sessions)} & EVERY_FILE_KIND
    return {k for k in possible if k.suffix in suffixes and (k.desc is None or k.desc in descs)}


def needs_images(request: Request) -> bool:
    """Whether a request includes the images, which require the data use agreement."""
    return IMAGES in request.what or bool(layout.GATED_KEYS.intersection(request.files))


def _dataset_calls(request: Request, offer: Offer) -> list[Call]:
    chosen = [c for c in request.choices if c.scope == "dataset"]
    made = []
    if needs_images(request):
        made.append(Call("download_stimuli", {"n_jobs": N_JOBS}))
    models = [c.model for c in chosen if c.model]
    if models:
        every = set(models) == set(layout.EMBEDDING_MODELS)
        arguments: Filters = {} if every else {"models": _one_or_list(models)}
        made.append(Call("download_embeddings", {**arguments, "n_jobs": N_JOBS}))
    for choice in chosen:
        is_own = choice.label == SPLITS and offer.splits
        if not choice.model and choice.label != IMAGES and not is_own:
            made.append(Call(choice.verb, {}))
    return made


def in_ranges(sessions: Sequence[str]) -> list[str]:
    """Write consecutive sessions as ranges.

    Examples
    --------
    >>> in_ranges(["ses-01", "ses-02", "ses-03", "ses-07", "averages"])
    ['ses-01 to ses-03', 'ses-07', 'averages']
    """
    runs: list[list[str]] = []
    for session in sessions:
        if runs and _follows(runs[-1][-1], session):
            runs[-1].append(session)
        else:
            runs.append([session])
    named = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else run for run in runs]
    return [name for run in named for name in run]


def _follows(one: str, other: str) -> bool:
    first, second = (re.fullmatch(r"(.*?)(\d+)", name) for name in (one, other))
    if first is None or second is None or first[1] != second[1]:
        return False
    return int(second[2]) == int(first[2]) + 1


def _shortened(names: Sequence[str], shown: int = 4) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _in_order(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _one_or_list(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
