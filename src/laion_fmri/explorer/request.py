"""From choices on screen to calls of the library, and the plan they make.

Pure but for `make_request_plan`, which asks the bucket. What is planned and what the code
beside it says (`call_code`) are readings of the same list of `Call`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from laion_fmri import discovery, layout
from laion_fmri._errors import NoMatchingDataError
from laion_fmri.bucket import Bucket
from laion_fmri.config import Settings
from laion_fmri.download import ALL_SUBJECTS, plan_download
from laion_fmri.selection import AVERAGES
from laion_fmri.transfer.plan import TransferPlan, make_plan

N_JOBS = 4
"""Files fetched at the same time."""

Level = Literal["session", "averages", "subject"]


@dataclass(frozen=True)
class FileKind:
    """Files of one ``desc`` and suffix, and what there is one of them for."""

    desc: str | None
    suffix: str
    level: Level


@dataclass(frozen=True)
class Choice:
    """One thing that can be asked for.

    Attributes
    ----------
    label : str
        On screen.
    group : str
        The control it is listed under.
    files : tuple of FileKind
        What the filters of `download` must let through.
    flag : str
        The ``include_…`` argument of `download`, for whole trees.
    verb : str
        The download function, for dataset-wide files.
    model : str
        The model of embeddings.
    """

    label: str
    group: str
    files: tuple[FileKind, ...] = ()
    flag: str = ""
    verb: str = ""
    model: str = ""


_SESSION_MAPS = (("R2", "statmap"), ("Fracridge", "statmap"), ("HRFindex", "dseg"))
RESPONSES, BRAIN, STIMULI = "Responses", "Brain", "Stimuli"

_ALL_CHOICES = (
    Choice("Betas", RESPONSES, (FileKind("SingletrialBetas", "statmap", "session"),)),
    Choice("Trial tables", RESPONSES, (FileKind("SingletrialBetas", "trials", "session"),)),
    Choice(
        "Noise ceilings",
        RESPONSES,
        (
            FileKind("Noiseceiling", "statmap", "session"),
            *(FileKind(d, "statmap", "averages") for d in layout.SUBJECT_NOISE_CEILINGS),
        ),
    ),
    Choice(
        "Other maps (R², HRF index, ridge fraction)",
        RESPONSES,
        (
            *(FileKind(desc, suffix, "session") for desc, suffix in _SESSION_MAPS),
            FileKind("R2mean", "statmap", "averages"),
        ),
    ),
    Choice(
        "GLMsingle models",
        RESPONSES,
        (FileKind("GLMsingle", "model", "session"), FileKind("GLMsingle", "summary", "averages")),
    ),
    Choice("ROIs", BRAIN, (FileKind(None, "mask", "subject"),)),
    Choice("Anatomy (T1w, T2w, brain mask)", BRAIN, flag="include_anatomical"),
    Choice("FreeSurfer recon", BRAIN, flag="include_freesurfer"),
    *(
        Choice(f"{model} embeddings", STIMULI, verb="download_embeddings", model=model)
        for model in layout.EMBEDDING_MODELS
    ),
    Choice("Segmentations", STIMULI, verb="download_segmentations"),
    Choice("Captions", STIMULI, verb="download_captions"),
)
CHOICES: Mapping[str, Choice] = {choice.label: choice for choice in _ALL_CHOICES}
GROUPS: Mapping[str, tuple[str, ...]] = {
    group: tuple(c.label for c in _ALL_CHOICES if c.group == group)
    for group in (RESPONSES, BRAIN, STIMULI)
}
_EVERY_FILE_KIND = frozenset(kind for choice in _ALL_CHOICES for kind in choice.files)

# Trees come on top of what filters let through, and filters that let nothing through are
# refused. The mean R² map is small, and comes along with sessions anyway.
_LEAST = FileKind("R2mean", "statmap", "averages")


@dataclass(frozen=True)
class Request:
    """What the user has chosen.

    Attributes
    ----------
    subjects : tuple of str
    sessions : tuple of str
        May hold ``"averages"``.
    what : tuple of str
        Labels of `CHOICES`.
    """

    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    what: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What was chosen, in the order it is listed on screen."""
        return tuple(choice for label, choice in CHOICES.items() if label in self.what)

    def title(self) -> str:
        """The request in one line."""
        of_subjects = any(not choice.verb for choice in self.choices)
        by_session = any(choice.files for choice in self.choices)
        parts = [_shortened(self.subjects)] if of_subjects else []
        parts += [_shortened(self.sessions)] if by_session and self.sessions else []
        return " · ".join([*parts, _shortened([choice.label for choice in self.choices])])

    def advice(self) -> str:
        """What is still to be chosen; empty when the request is complete."""
        if not self.what:
            return "Choose what to download."
        of_subjects = [c for c in self.choices if not c.verb]
        if of_subjects and not self.subjects:
            return "Choose a subject."
        idle = [c.label for c in of_subjects if c.files and not _kinds(c, self.sessions)]
        if idle and not self.sessions:
            return f"Choose a session, or the averages, for: {', '.join(idle)}."
        if idle:
            other = "a session" if AVERAGES in self.sessions else "the averages"
            return f"Choose {other} as well for: {', '.join(idle)}."
        return ""


@dataclass(frozen=True)
class Call:
    """One call of a download verb."""

    verb: str
    arguments: Mapping[str, object]


def calls(request: Request, served: Mapping[str, Sequence[str]]) -> list[Call]:
    """The calls that fetch what was chosen, as few as the filters' grammar allows.

    Parameters
    ----------
    request : Request
    served : mapping of str to sequence of str
        Every subject of the bucket and its sessions; what a subject does not have is not
        asked for.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in request.subjects:
        there = (*served.get(name, ()), AVERAGES)
        groups.setdefault(tuple(s for s in there if s in request.sessions), []).append(name)
    made: list[Call] = []
    for sessions, members in groups.items():
        whole = all({*served.get(s, ()), AVERAGES} == set(sessions) for s in members)
        everyone = len(members) > 1 and set(members) == set(served)
        subject: str | list[str] = ALL_SUBJECTS if everyone else _one_or_list(members)
        for arguments in _filters(request.choices, sessions, whole):
            made.append(Call("download", {"subject": subject, **arguments, "n_jobs": N_JOBS}))
    return made + _stimulus_calls(request.choices)


def _filters(
    choices: Iterable[Choice], sessions: tuple[str, ...], whole: bool
) -> list[dict[str, object]]:
    """Arguments of `download`, one dict a call."""
    choices = list(choices)
    flags: dict[str, object] = {c.flag: True for c in choices if c.flag}
    made: list[dict[str, object]] = []
    for block in _blocks([_kinds(c, sessions) for c in choices if c.files], sessions):
        filters: dict[str, object] = {}
        if not whole and any(kind.level != "subject" for kind in block):
            filters["ses"] = _one_or_list(sessions)
        filters["task"] = "images"
        descs = _in_order(kind.desc for kind in block if kind.desc)
        if descs:
            filters["desc"] = _one_or_list(descs)
        filters["suffix"] = _one_or_list(_in_order(kind.suffix for kind in block))
        made.append(filters)
    if flags and not made:
        made.append(
            {"ses": AVERAGES, "task": "images", "desc": _LEAST.desc, "suffix": _LEAST.suffix}
        )
    if made:
        made[0] |= flags
    return made


def _kinds(choice: Choice, sessions: Sequence[str]) -> list[FileKind]:
    """The kinds of files of a choice that some of `sessions` has."""
    named = any(session != AVERAGES for session in sessions)
    levels = {"subject"} | ({"session"} if named else set())
    levels |= {"averages"} if AVERAGES in sessions else set()
    return [kind for kind in choice.files if kind.level in levels]


def _blocks(wanted: Iterable[list[FileKind]], sessions: Sequence[str]) -> list[list[FileKind]]:
    """Kinds put together where one ``desc`` and one ``suffix`` filter let through just them."""
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
    possible = {k for c in CHOICES.values() for k in _kinds(c, sessions)} & _EVERY_FILE_KIND
    return {k for k in possible if k.suffix in suffixes and (k.desc is None or k.desc in descs)}


def _stimulus_calls(choices: Iterable[Choice]) -> list[Call]:
    chosen = [c for c in choices if c.verb]
    made = []
    models = [c.model for c in chosen if c.model]
    if models:
        every = set(models) == set(layout.EMBEDDING_MODELS)
        arguments: dict[str, object] = {} if every else {"models": _one_or_list(models)}
        made.append(Call("download_embeddings", {**arguments, "n_jobs": N_JOBS}))
    return made + [Call(c.verb, {}) for c in chosen if not c.model]


def _shortened(names: Sequence[str], shown: int = 4) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _in_order(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _one_or_list(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


# --- the plan ---------------------------------------------------------------------------


def make_request_plan(made: Iterable[Call], settings: Settings, bucket: Bucket) -> TransferPlan:
    """What the calls would fetch, each file once.

    Raises
    ------
    DataDirNotSetError, BucketUnreachableError, SubjectNotFoundError, NoMatchingDataError
    """
    plan = TransferPlan((), settings.require_data_dir())
    for call in made:
        plan += _plan_of(call, settings, bucket)
    return plan


def _plan_of(call: Call, settings: Settings, bucket: Bucket) -> TransferPlan:
    arguments = {k: v for k, v in call.arguments.items() if k != "n_jobs"}
    if call.verb == "download":
        return plan_download(settings=settings, bucket=bucket, **arguments)  # type: ignore[arg-type]
    listed = {o.key: o for o in discovery.list_objects(f"{layout.STIMULI_TREE}/", bucket)}
    keys = _stimulus_keys(call)
    absent = [key for key in keys if key not in listed]
    if absent:
        raise NoMatchingDataError(f"The bucket {bucket.uri} has no {', '.join(absent)}.")
    return make_plan([listed[key] for key in keys], settings.require_data_dir(), bucket)


def _stimulus_keys(call: Call) -> list[str]:
    if call.verb == "download_segmentations":
        return [layout.SEGMENTATIONS, layout.SEGMENTATIONS_METADATA]
    if call.verb == "download_captions":
        return [layout.CAPTIONS]
    models = call.arguments.get("models", layout.EMBEDDING_MODELS)
    return [layout.embeddings(m) for m in layout.as_list(models) or ()]  # type: ignore[arg-type]
