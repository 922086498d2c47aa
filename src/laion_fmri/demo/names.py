"""Which images there are, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from laion_fmri.demo.profiles import PARTICIPANT_CODES, Profile, rng_for
from laion_fmri.layout import OOD_TYPES

SHARED = "shared"
"""Value of the `participant` column for images that everyone saw."""


@dataclass(frozen=True)
class ImageRecord:
    """One row of the stimulus metadata, and what to draw.

    Attributes
    ----------
    name : str
        File name, unique in the dataset.
    dataset : {"LAION", "THINGS+", "NSD", "OOD"}
    participant : str
        The subject who saw it, ``"shared"`` when everyone did.
    n_reps : int
        How often each of those subjects saw it.
    kind : str
        What to draw: ``"natural"``, ``"object"``, or an out-of-distribution type.
    subject_matter : str
        The noun an object picture is of; empty otherwise.
    """

    name: str
    dataset: str
    participant: str
    n_reps: int
    kind: str
    subject_matter: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether every subject saw it."""
        return self.participant == SHARED

    @property
    def is_ood(self) -> bool:
        """Whether it is out of distribution."""
        return self.dataset == "OOD"


_OOD_NAMES = {
    "cropped": "{noun}.png",
    "gabor": "gabor-{i:02d}-{place}.jpg",
    "gaudy": "gaudy-{noun}.jpg",
    "illusion-classic": "classic-illusion-{i:02d}-{illusion}.png",
    "illusion-natural": "giant-{noun}.jpg",
    "relations": "{i:03d}_{noun}-{relation}-{other}_01.jpg",
    "selfmade": "{i:02d}.jpg",
    "shape": "blob_round-{i:02d}.png",
    "unusual": "{colour}_{noun}_{i:02d}.jpg",
}
ILLUSIONS = ("kanizsa", "ebbinghaus", "cafewall")
RELATIONS = ("ontop", "inside", "under")
PLACES = ("top-left", "bottom-right", "center-left", "top-right")
UNUSUAL_COLOURS = ("blue", "purple", "green", "pink")
OOD_NOUNS = ("cup", "cat", "apple", "boat", "chair", "fish", "lamp", "tree", "book", "car")


def _ood_name(kind: str, i: int) -> tuple[str, str]:
    noun = OOD_NOUNS[(i + 3 * OOD_TYPES.index(kind)) % len(OOD_NOUNS)]
    other = OOD_NOUNS[(i + 3 * OOD_TYPES.index(kind) + 4) % len(OOD_NOUNS)]
    rest = _OOD_NAMES[kind].format(
        i=i + 1,
        noun=noun,
        other=other,
        place=PLACES[i % len(PLACES)],
        illusion=ILLUSIONS[i % len(ILLUSIONS)],
        relation=RELATIONS[i % len(RELATIONS)],
        colour=UNUSUAL_COLOURS[i % len(UNUSUAL_COLOURS)],
    )
    return f"shared_4rep_OOD_{kind}_{rest}", noun


def list_images(profile: Profile, seed: int) -> list[ImageRecord]:
    """Every image of the dataset, in the order of the metadata table (not alphabetical)."""
    from laion_fmri.demo.vocabulary import EVERYDAY_NOUNS

    rng = rng_for(seed, "names")
    clusters = [1003, *(int(c) for c in rng.choice(1800, profile.n_laion, replace=False) + 1004)]
    records = [
        ImageRecord(
            f"shared_12rep_LAION_cluster_{clusters[i]}_i{i % 4}.jpg", "LAION", SHARED, 12, "natural"
        )
        for i in range(profile.n_laion)
    ]
    nouns = list(rng.permutation(EVERYDAY_NOUNS))
    for i in range(profile.n_things):
        noun = str(nouns[i % len(nouns)])
        name = f"shared_12rep_THINGS+_kmeans_{int(rng.integers(900)) + 1000 * (i // 24)}_{noun}.jpg"
        records.append(ImageRecord(name, "THINGS+", SHARED, 12, "object", noun))
    for number in rng.choice(999, profile.n_nsd, replace=False) + 1:
        records.append(
            ImageRecord(f"shared_4rep_NSD_special1000_{number}.jpg", "NSD", SHARED, 4, "natural")
        )
    for kind in OOD_TYPES:
        for i in range(profile.n_ood):
            name, noun = _ood_name(kind, i)
            records.append(ImageRecord(name, "OOD", SHARED, 4, kind, noun))
    for subject in profile.subjects:
        records += _unique_images(profile, subject, seed)
    return [records[i] for i in rng.permutation(len(records))]


def _unique_images(profile: Profile, subject: str, seed: int) -> list[ImageRecord]:
    from laion_fmri.demo.vocabulary import EVERYDAY_NOUNS

    rng = rng_for(seed, "unique", subject)
    code = PARTICIPANT_CODES[subject]
    families = ("initial", "initial", "initial", "fillup", "new")
    clusters = rng.choice(3000, profile.n_unique, replace=False)
    nouns = rng.permutation(EVERYDAY_NOUNS)
    records = []
    for i, cluster in enumerate(clusters):
        if i % 6 == 5 and i // 6 < len(nouns):
            noun = str(nouns[i // 6])
            name = f"unique_THINGS+_{noun}_{code}.jpg"
            records.append(ImageRecord(name, "THINGS+", subject, 1, "object", noun))
        else:
            stem = f"unique_LAION_{families[i % 5]}_cluster_{cluster}_i{int(rng.integers(50))}"
            records.append(ImageRecord(f"{stem}_{code}.jpg", "LAION", subject, 1, "natural"))
    return records
