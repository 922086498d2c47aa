"""Which objects a request means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError, NoMatchingDataError
from laion_fmri.bucket import BucketObject
from laion_fmri.selection import Selection, clean_filters, select

SUB = "sub-03"
BETAS = f"{layout.BETAS_TREE}/{SUB}"


def session(ses: str) -> list[str]:
    stem = f"{BETAS}/{ses}/func/{SUB}_{ses}_task-images_"
    return [
        f"{stem}{rest}"
        for rest in (
            "space-T1w_stat-effect_desc-SingletrialBetas_statmap.nii.gz",
            "space-T1w_stat-effect_desc-SingletrialBetas_statmap.json",
            "desc-SingletrialBetas_trials.tsv",
            "space-T1w_desc-Noiseceiling_statmap.nii.gz",
            "space-T1w_stat-rsquare_desc-R2_statmap.nii.gz",
            "desc-GLMsingle_model.h5",
        )
    ]


MEAN = layout.mean_rsquare(SUB)
SUMMARIES = [
    MEAN,
    MEAN.replace(".nii.gz", ".json"),
    layout.subject_noise_ceiling(SUB, "Noiseceiling12rep"),
    f"{BETAS}/{SUB}_task-images_desc-GLMsingle_summary.json",
]
ROIS = [
    layout.roi_volume(SUB, "face", "FFA-1"),
    layout.roi_surface(SUB, "face", "FFA-1", "L", ".func.gii"),
    layout.roi_surface(SUB, "face", "FFA-1", "L", ".label"),
]
LOCALIZERS = [
    f"{layout.LOCALIZERS_TREE}/{SUB}/ses-loc01/func/{SUB}_ses-loc01_task-floc_space-T1w_stat-z_statmap.nii.gz"
]
ANATOMICAL = [layout.anatomical(SUB, "T1w"), layout.anatomical(SUB, "desc-brain_mask", "1pt8")]
FREESURFER = [f"{layout.FREESURFER_TREE}/{SUB}/surf/lh.white"]
RAW = [
    f"{SUB}/ses-01/func/{SUB}_ses-01_task-images_run-0{run}_echo-{echo}_part-{part}_bold.nii.gz"
    for run in (1, 2)
    for echo in (1, 2)
    for part in ("mag", "phase")
]
ONE, TWO, TEN = session("ses-01"), session("ses-02"), session("ses-10")
HELD_OUT = [*session("ses-31"), f"{BETAS}/figures/{SUB}_ses-33_plot.png"]
EVERYTHING = SUMMARIES + ONE + TWO + TEN + HELD_OUT + ROIS + LOCALIZERS


def chosen(keys=EVERYTHING, include=(), **filters):
    selection = Selection(SUB, clean_filters(**filters), **{f"include_{i}": True for i in include})
    return [o.key for o in select([BucketObject(key, 1, "x") for key in keys], selection)]


def test_no_filter_is_everything_but_the_held_out_and_the_localizers():
    there = [key for key in EVERYTHING if key not in HELD_OUT]
    assert chosen() == [key for key in there if key not in LOCALIZERS]
    assert chosen(include=["localizers"]) == there


def test_localizers_come_with_what_filters_say_of_them():
    other = (
        LOCALIZERS[0].replace("floc", "oloc").replace("loc01", "loc02").replace("stat-z", "stat-t")
    )
    keys = [*EVERYTHING, other]
    every = [*LOCALIZERS, other]

    def maps(**filters):
        got = chosen(keys, ["localizers"], **filters)
        return [key for key in got if key in every], [key for key in got if key not in every]

    assert maps(ses="ses-01", desc="singletrial") == (every, [*SUMMARIES[:2], *ONE[:3], *ROIS])
    assert maps(task="images")[0] == every
    assert maps(ses=["ses-01", "loc01"])[0] == LOCALIZERS
    assert maps(task="oloc", suffix="statmap") == ([other], [])
    assert maps(extension="tsv")[0] == every
    assert maps(stat=["effect", "z"]) == (LOCALIZERS, maps(stat="effect")[1])
    with pytest.raises(NoMatchingDataError, match="no session loc01"):
        chosen(keys, ses="loc01")


def test_the_object_localizer_of_a_held_out_session_is_chosen():
    oloc = [
        layout.localizer(SUB, "ses-31", "oloc", "objectVsScrambled", stat="z", **where)
        for where in ({"res": "1pt5"}, {"res": "1pt8"}, {"hemi": "L"}, {"hemi": "R"})
    ]
    keys = [*EVERYTHING, *oloc]
    for ses in ("ses-31", 31, ["31"]):
        assert chosen(keys, ["localizers"], ses=ses) == [*SUMMARIES[:2], *ROIS, *oloc]
    assert not set(oloc) & set(chosen(keys))
    for ses in ("ses-31", "32"):
        with pytest.raises(
            NoMatchingDataError, match=r"does not give out.*include_localizers=True"
        ):
            chosen(keys, ses=ses)
    with pytest.raises(NoMatchingDataError) as refused:
        chosen(keys, ses="ses-40")
    assert "give out" not in str(refused.value)


@pytest.mark.parametrize("ses", ["ses-01", "01", ["01"], ("ses-01",), "SES-01"])
def test_a_session_excludes_summaries_but_not_rois(ses):
    assert chosen(ses=ses) == [*SUMMARIES[:2], *ONE, *ROIS]


def test_averages_are_the_summaries():
    assert chosen(ses="averages") == [*SUMMARIES, *ROIS]
    assert chosen(ses=["ses-02", "averages"]) == [*SUMMARIES, *TWO, *ROIS]


def test_the_mean_rsquare_map_comes_along_whatever_else_is_asked():
    got = chosen(ses="ses-01", desc="singletrial", stat="effect", extension="nii.gz")
    assert got == [MEAN, MEAN.replace(".nii.gz", ".json"), ONE[0], ONE[1], ROIS[0]]
    assert MEAN not in chosen(desc="singletrial")
    assert MEAN not in chosen(ses="averages", desc="Noiseceiling12rep")


@pytest.mark.parametrize(
    "desc", ["singletrial", "SingletrialBetas", "desc-SingletrialBetas", "SINGLE"]
)
def test_a_desc_may_be_shortened(desc):
    got = chosen(ses="02", desc=desc)
    assert [key for key in got if key in TWO] == TWO[:3]


def test_a_whole_desc_means_itself_alone():
    got = chosen(desc="Noiseceiling")
    assert layout.subject_noise_ceiling(SUB, "Noiseceiling12rep") not in got
    assert ONE[3] in got
    assert layout.subject_noise_ceiling(SUB, "Noiseceiling12rep") in chosen(desc="noiseceiling12")


def test_filters_are_permissive_for_files_without_the_entity():
    got = chosen(space="T1w")
    assert ONE[2] in got  # a table has no space
    assert ROIS[1] not in got  # fsnative
    assert ROIS[0] in got


def test_sidecars_travel_with_their_file_alone():
    got = chosen(ses="01", extension=".nii.gz", suffix="statmap", stat="effect")
    assert ONE[1] in got
    assert SUMMARIES[3] not in chosen(extension="nii.gz")  # a JSON that describes no file
    assert ONE[0] not in chosen(ses="01", extension="json")


def test_whole_trees_are_not_filtered():
    keys = EVERYTHING + ANATOMICAL + FREESURFER
    got = chosen(keys, ["anatomical", "freesurfer"], ses="01", extension="tsv", suffix="trials")
    assert got == [*SUMMARIES[:2], ONE[2], *ANATOMICAL, *FREESURFER]
    assert Selection(SUB, include_anatomical=True, include_freesurfer=True).prefixes() == [
        f"{tree}/{SUB}/"
        for tree in (
            layout.BETAS_TREE,
            layout.ROIS_TREE,
            layout.ANATOMICAL_TREE,
            layout.FREESURFER_TREE,
        )
    ]


def test_raw_data_are_filtered():
    got = chosen(EVERYTHING + RAW, ["raw"], ses="01", run="02", echo=["1"], part="part-mag")
    assert [key for key in got if key in RAW] == [RAW[4]]
    assert Selection(SUB, include_raw=True).prefixes()[-1] == f"{SUB}/"


@pytest.mark.parametrize("ses", ["ses-31", "34"])
def test_held_out_sessions_cannot_be_asked_for(ses):
    with pytest.raises(NoMatchingDataError, match=f"no session {ses}.*ses-01, ses-02, ses-10"):
        chosen(ses=ses)


@pytest.mark.parametrize("ses", ["ses-1", "1", "ses-99", ["ses-01", "ses-99"]])
def test_sessions_that_are_not_there(ses):
    with pytest.raises(NoMatchingDataError, match="Sessions there"):
        chosen(ses=ses)


@pytest.mark.parametrize(
    "filters",
    [{"desc": "Typo"}, {"stat": "t"}, {"space": "MNI"}, {"extension": "nii"}, {"suffix": "bold"},
     {"ses": "ses-01", "desc": "typo"}, {"desc": ["typo", "other"]}],
)  # fmt: skip
def test_a_filter_that_matches_nothing_is_named(filters):
    entity = list(filters)[-1]
    with pytest.raises(NoMatchingDataError, match=f"{entity}=.*There: .*list_files"):
        chosen(**filters)


def test_one_matching_value_is_enough():
    assert ONE[0] in chosen(extension=["nii.gz", "nii"])


def test_a_filter_on_an_entity_that_no_file_has_filters_nothing():
    assert chosen(run="7") == chosen()


def test_an_empty_bucket():
    with pytest.raises(NoMatchingDataError, match="Nothing of sub-03"):
        chosen([])
    with pytest.raises(NoMatchingDataError, match="Nothing of sub-03"):
        chosen([], ["anatomical"])


@pytest.mark.parametrize("filters", [{"ses": 1.5}, {"ses": [True]}, {"desc": ""}, {"desc": []},
                                     {"desc": "desc-"}, {"subject": "x"}])  # fmt: skip
def test_what_is_no_filter(filters):
    with pytest.raises(InvalidArgumentError):
        clean_filters(**filters)


# --- properties ---------------------------------------------------------------------------

value = st.sampled_from(["A", "B", "ab"])
entity = st.sampled_from(["task", "space", "stat", "run", "echo", "part"])


@st.composite
def keys(draw):
    values = draw(st.dictionaries(entity, value))
    ses = draw(st.sampled_from(["", "/ses-01"]))
    parts = [SUB, *(f"{k}-{v}" for k, v in values.items()), draw(st.sampled_from(["bold", "map"]))]
    return f"{BETAS}{ses}/{'_'.join(parts)}{draw(st.sampled_from(['.nii.gz', '.tsv']))}"


def select_or_nothing(found, **filters):
    try:
        return chosen(found, **filters)
    except NoMatchingDataError:
        return []


@given(st.lists(keys(), min_size=1, unique=True), entity, st.lists(value, min_size=1, unique=True))
def test_a_filter_keeps_exactly_the_files_that_match_or_lack_the_entity(found, name, wanted):
    expected = []
    carriers = False
    for key in found:
        actual = layout.parse_entities(key).get(name)
        carriers |= actual is not None and actual.lower() in [w.lower() for w in wanted]
        if actual is None or actual.lower() in [w.lower() for w in wanted]:
            expected.append(key)
    anyone = any(layout.parse_entities(key).get(name) for key in found)
    if anyone and not carriers:
        expected = []
    assert select_or_nothing(found, **{name: wanted}) == expected


@given(
    st.lists(keys(), min_size=1, unique=True),
    st.dictionaries(entity, value),
    st.booleans(),
    st.booleans(),
)
def test_token_or_bare_list_or_string_are_the_same(found, wanted, as_token, as_list):
    def spelled(name, one):
        text = f"{name}-{one}" if as_token else one.swapcase()
        return [text] if as_list else text

    filters = {name: spelled(name, one) for name, one in wanted.items()}
    assert select_or_nothing(found, **filters) == select_or_nothing(found, **wanted)


@given(st.lists(keys(), min_size=1, unique=True), st.dictionaries(entity, value), entity, value)
def test_another_filter_never_adds_files(found, wanted, name, one):
    fewer = select_or_nothing(found, **{**wanted, name: one})
    if name not in wanted:
        assert set(fewer) <= set(select_or_nothing(found, **wanted)) | {MEAN}
