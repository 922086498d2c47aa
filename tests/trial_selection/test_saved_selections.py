from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from laion_fmri._errors import ConfigError, InvalidArgumentError, UnreadableFileError
from laion_fmri.trial_selection.saved_selections import FILE, Selections

TABLE = pd.DataFrame(
    {"session": ["ses-01"] * 3 + ["ses-02"] * 3, "session_trial": [0, 1, 2, 0, 1, 2]}
)


def test_what_is_kept_comes_back_and_can_be_forgotten(tmp_path):
    saved = Selections(tmp_path)
    assert saved.of("sub-01", TABLE) == {}
    saved.save("sub-01", "  dogs   & cats ", [4, 1, 1], TABLE)
    saved.save("sub-01", "Another", [0], TABLE)
    saved.save("sub-03", "theirs", [5], TABLE)
    found = Selections(tmp_path).of("sub-01", TABLE)
    assert {name: trials.tolist() for name, trials in found.items()} == {
        "Another": [0],
        "dogs & cats": [1, 4],
    }
    saved.save("sub-01", "Another", [2, 3], TABLE)
    assert saved.of("sub-01", TABLE)["Another"].tolist() == [2, 3]
    saved.delete("sub-01", "Another")
    saved.delete("sub-01", "Another")
    assert list(saved.of("sub-01", TABLE)) == ["dogs & cats"]


def test_trials_keep_their_identity_when_sessions_come_and_go(tmp_path):
    saved = Selections(tmp_path)
    saved.save("sub-01", "mine", [1, 4], TABLE)
    second_alone = TABLE.iloc[3:].reset_index(drop=True)
    assert saved.of("sub-01", second_alone)["mine"].tolist() == [1]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_names_must_be_usable(tmp_path, name):
    with pytest.raises(InvalidArgumentError):
        Selections(tmp_path).save("sub-01", name, [1], TABLE)
    with pytest.raises(InvalidArgumentError):
        Selections(tmp_path).save("sub-01", "fine", [], TABLE)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"selections": 3}', '{"selections": {"a": {"b": [["x"]]}}}', "\xff"]
)
def test_a_damaged_file_is_named_and_left_alone(tmp_path, text):
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    for act in (
        lambda s: s.of("sub-01", TABLE),
        lambda s: s.save("sub-01", "x", [1], TABLE),
    ):
        with pytest.raises(ConfigError, match=r"selections\.json"):
            act(Selections(tmp_path))
    assert path.read_bytes() == text.encode("latin-1")


def test_pages_that_write_at_once_lose_nothing(tmp_path):
    def save(number: int) -> None:
        Selections(tmp_path).save("sub-01", f"selection {number}", [number % 6], TABLE)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(save, range(40)))
    assert len(Selections(tmp_path).of("sub-01", TABLE)) == 40
    json.loads((tmp_path / FILE).read_text())
    assert [p.name for p in (tmp_path / FILE).parent.iterdir()] == ["selections.json"]


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path):
    saved = Selections(tmp_path)
    saved.save("sub-01", b"mine", [1], TABLE)
    path = tmp_path / FILE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(saved.of("sub-01", TABLE)) == ["mine"]
    path.unlink()
    path.mkdir()
    with pytest.raises(UnreadableFileError):
        saved.of("sub-01", TABLE)
