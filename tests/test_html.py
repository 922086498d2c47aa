"""What objects look like in a notebook and at a prompt."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup

import laion_fmri
from laion_fmri.html import bar_table, number, plain_table, shortened, table
from laion_fmri.splits.split import Split, SplitVariant
from laion_fmri.stimuli.hub import LocalStimuli
from laion_fmri.subject import Subject
from laion_fmri.transfer.plan import FileStatus, PlannedFile, TransferPlan

HOSTILE = """<img src=x onerror="alert('1')">&amp;"""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> list[str]:
    """The texts of markup that is well formed, and a table and nothing else."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    assert reader.tags <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert "color" not in html  # dark or light, it is the notebook's
    return reader.texts


def plan(*files: tuple[str, FileStatus, int, int], data_dir: str = "data") -> TransferPlan:
    made = [
        PlannedFile(key, f"{data_dir}/{key}", size, "e", status, here, None)  # type: ignore[arg-type]
        for key, status, size, here in files
    ]
    return TransferPlan(tuple(made), Path(data_dir))


def test_text_stays_text_everywhere():
    texts = read(table(HOSTILE, [(HOSTILE, HOSTILE)], (HOSTILE, HOSTILE), HOSTILE))
    assert texts == [HOSTILE] * 6


def test_many_names_are_shortened():
    assert (
        shortened([f"ses-{n:02}" for n in range(1, 34)], 4)
        == "ses-01, ses-02, ses-03, … ses-33 (33)"
    )
    assert shortened(["a", "b"]) == "a, b"


def test_a_subject(data_dir):
    sub = laion_fmri.load_subject("sub-01", data_dir)
    assert repr(sub) == f"<Subject sub-01: 2 sessions in {data_dir}>"
    texts = read(sub._repr_html_())
    assert texts[0] == "sub-01"
    assert texts[texts.index("ROIs: face") + 1] == "FFA1, FFA2, OFA, pSTSfaces"
    assert texts[texts.index("Sessions") + 1] == "ses-01, ses-02"
    assert "CLIP embeddings" in texts[texts.index("Stimuli") + 1]
    assert texts[-1] == f"In {data_dir}"


def test_what_is_not_here(tmp_path):
    folder = tmp_path / HOSTILE.replace("/", "")
    folder.mkdir()
    texts = read(Subject("sub-09", folder)._repr_html_())
    assert texts == ["sub-09", "Sessions", "none", "Stimuli", "none", f"In {folder}"]
    stimuli = LocalStimuli(folder)
    assert repr(stimuli) == f"<Stimuli in {folder}: nothing downloaded>"
    assert read(stimuli._repr_html_()).count("Not downloaded") == 4


def test_a_group(tiny_home):
    group = laion_fmri.load_subjects(data_dir=tiny_home.data_dir)
    assert repr(group) == "<Group of 2: sub-01, sub-03>"
    texts = read(group._repr_html_())
    assert texts[:4] == ["Group of 2", "Subject", "Sessions", "ROIs"]
    assert {"sub-01", "sub-03", "ses-01, ses-02", "17"} <= set(texts)


def test_stimuli(data_dir):
    stimuli = laion_fmri.load_stimuli(data_dir)
    assert stimuli.local_parts[:4] == ["metadata", "images", "segmentations", "captions"]
    assert repr(stimuli).startswith(f"<Stimuli in {data_dir}: metadata, images, ")
    texts = read(stimuli._repr_html_())
    assert texts.count("Downloaded") == 4
    assert texts[texts.index("embeddings") + 1].startswith("CLIP, ")


def test_a_split():
    names = tuple(f"shared_{n}.jpg" for n in range(2000))
    params = {"method": HOSTILE, "images": names}
    split = Split("tau", "sub-01", params, (SplitVariant(0, names[:1500], names[1500:]),))
    assert repr(split) == "<Split 'tau' of pool 'sub-01': 1,500 training and 500 test images>"
    texts = read(split._repr_html_())
    assert HOSTILE in texts and {"1,500", "500", "sub-01"} <= set(texts)
    assert all(len(text) < 200 for text in texts)


def test_a_plan():
    made = plan(
        ("a", FileStatus.DOWNLOADED, 1000, 1000),
        ("b", FileStatus.INCOMPLETE, 3000, 1000),
        (HOSTILE, FileStatus.NOT_DOWNLOADED, 5000, 0),
        data_dir=HOSTILE,
    )
    assert repr(made) == (
        f"<TransferPlan into {Path(HOSTILE)}: "
        "3 files, 9 kB: 1 already downloaded, 2 to fetch (7 kB)>"
    )
    texts = read(made._repr_html_())
    assert texts[5:9] == ["Downloaded", "1", "1 kB", "0 B"]
    assert texts[9:13] == ["Incomplete", "1", "3 kB", "2 kB"]
    assert texts[-1].endswith(f"Into {Path(HOSTILE)}")


@pytest.mark.parametrize("n_files", [0, 50_000])
def test_a_plan_is_short_however_large_it_is(n_files):
    made = plan(*[(f"k{n}", FileStatus.NOT_DOWNLOADED, 1, 0) for n in range(n_files)])
    assert len(repr(made)) < 200 and len(made._repr_html_()) < 2000


def test_bars_in_the_same_units_share_a_scale_and_names_are_text():
    values = {"a": 4.0, "b": -2.0, "c": 30.0, HOSTILE: float("nan")}
    units = {"a": "z", "b": "z", "c": "index", HOSTILE: "%"}
    html = bar_table(HOSTILE, values, units, shown="b")
    rows = html.split("<tr")[1:]
    assert "left:50.0%;width:50.0%" in rows[0] and f"{number(4)} z<" in rows[0]
    assert "left:25.0%;width:25.0%" in rows[1] and "font-weight:600" in rows[1]
    assert "left:0.0%;width:100.0%" in rows[2] and f"{number(30)}<" in rows[2]
    assert "<i" not in rows[3] and "–" in rows[3]
    assert "<img" not in html


def test_a_static_table_shows_text_as_text():
    html = plain_table(["A", Markup("<i>B</i>")], [["<b>", 1], [Markup("<b>2</b>"), None]], "T")
    assert html.count("<tr>") == 3
    assert "<i>B</i>" in html and "<b>2</b>" in html and "<td>1</td>" in html
    assert html.count("<b>") == 1
    assert "&lt;b&gt;" in html
