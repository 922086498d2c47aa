from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from laion_fmri.stimuli.caption_search import CaptionIndex, words_of

CAPTIONS = [
    ("a", "A red car is parked"),
    ("a", "someone's old bike"),
    ("b", "the car, red with rust"),
    ("c", "a redwood forest"),
    ("d", "Ein Café in KÖLN"),
    ("e", "a bike beside a red wall"),
    ("f", "<img src=x onerror=alert(1)>"),
]


def index() -> CaptionIndex:
    names, texts = zip(*CAPTIONS, strict=True)
    return CaptionIndex(names, texts)


def found(query: str) -> list[str]:
    search = index()
    return [search.images[i] for i in search.search(query).images]


def test_words_find_themselves_and_what_they_begin():
    assert set(found("red")) == {"a", "b", "c", "e"}
    assert found("red")[-1] == "c"  # redwood only begins so
    assert found("redw") == ["c"]
    assert found("ed") == []


def test_all_words_must_be_there_best_in_one_caption():
    assert found("red bike") == ["e", "a"]
    assert found("red bike forest") == []


def test_quotation_marks_ask_for_the_words_in_this_order():
    assert found('"red car"') == ["a"]
    assert found('"car red"') == ["b"]
    assert found('"red') == ["a", "b", "e"]
    assert found('"car red" with') == ["b"]


def test_case_accents_and_punctuation_do_not_matter():
    assert found("KÖLN") == found("köln") == found("ko\u0308ln") == ["d"]
    assert found("<img onerror") == ["f"]


def test_nothing_asked_finds_nothing():
    for query in ("", "  ", "...", '""', "nothere"):
        assert found(query) == []
    assert len(CaptionIndex([], [])) == 0
    assert len(CaptionIndex([], []).search("x").images) == 0


def test_rare_words_count_more():
    names = [f"n{i}" for i in range(30)]
    search = CaptionIndex([*names, "rare"], ["common"] * 30 + ["common unicorn"])
    assert search.images[search.search("common").images[0]] == "n0"
    assert [search.images[i] for i in search.search("unicorn com").images] == ["rare"]


alphabet = st.text("abc d\u00e9", max_size=12)


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), alphabet), max_size=12),
    st.lists(st.text("abcd\u00e9", min_size=1, max_size=3), min_size=1, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_it_finds_what_looking_at_every_caption_finds(captions, words):
    names = [name for name, _ in captions]
    search = CaptionIndex(names, [text for _, text in captions])
    hits = search.search(" ".join(words))
    said = {n: {w for m, text in captions if m == n for w in words_of(text)} for n in names}
    expected = {n for n in said if all(any(s.startswith(w) for s in said[n]) for w in words)}
    assert {search.images[i] for i in hits.images} == expected
    assert (hits.scores[:-1] >= hits.scores[1:]).all()
    assert (hits.scores > 0).all()


@given(st.text(max_size=100))
@settings(deadline=None)
def test_whatever_is_typed_is_answered(query):
    index().search(query)
