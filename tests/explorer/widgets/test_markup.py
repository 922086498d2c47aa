"""One place turns text into HTML, and a type tells the two apart."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

import panel as pn
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

import laion_fmri.explorer
from laion_fmri.explorer.widgets.markup import markup, outside_link, with_links

SOURCES = Path(laion_fmri.explorer.__file__).parent
SCRIPTS = sorted(p for p in SOURCES.rglob("*.js") if p.parent.name != "static")
_TAG = re.compile(
    r"</?(?:[abpiu]|[bh]r|h[1-6]|t[rdh]|d[ltd]|[ou]?li?|div|span|img|pre|table|svg|bdi|script|small"
    r"|strong|em|button|input|wbr|sub|sup)(?=[\s/>])"
)
_LINK = r"""</?a(?: href="https?://[^"<>']*" target="_blank" rel="[a-z ]+")?>"""
# A page in a file of its own, which escapes what it is given; and a picture in an address.
WHOLE_PAGES = {"standalone_page.py", "page.py"}
RENDER_MARKUP = {"HTML", "Markdown", "Str", "SVG", "Typography", "StaticText", "HTMLBasePane"}
AT_HOME = {"markup.py", "text.py"}


def shown(pane: pn.pane.HTML) -> str:
    """What a browser puts into the page: it decodes what it is sent once."""
    return html.unescape(pane.get_root().text)


@given(st.text(alphabet=st.sampled_from("<>&'\"ab/;= ")))
def test_only_markup_is_html(text: str):
    assert shown(markup(text)) == str(Markup("{}").format(text))  # type: ignore[arg-type]
    inside = markup(Markup("<b>{}</b>").format(text))
    assert shown(inside) == f"<b>{Markup.escape(text)}</b>"
    inside.object = text
    assert "<" not in shown(inside)


@given(st.text(alphabet=st.sampled_from("htps:/.<>'\"& x")))
def test_links_are_of_the_web_and_text_stays_text(text: str):
    for made in (with_links(f"{text} https://example.org/{text}"), outside_link(text, text)):
        rest = re.sub(
            r'</?a(?: href="https?://[^"<>\']*" target="_blank" rel="[a-z ]+")?>', "", made
        )
        assert "<" not in rest and ">" not in rest
    assert outside_link("javascript:alert(1)", "here") == "here"


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.stem)
def test_no_html_is_written_as_plain_text(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for call in calls:
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        assert name not in RENDER_MARKUP or path.name in AT_HOME, (name, call.lineno)
    marked = {
        id(part)
        for call in calls
        if getattr(call.func, "id", "") == "Markup"
        for part in ast.walk(call)
    }
    told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_html = _TAG.search(node.value) and id(node) not in marked | told
            assert not is_html or path.name in WHOLE_PAGES, (node.lineno, node.value)


@pytest.mark.parametrize(
    "path",
    sorted(p for p in SOURCES.rglob("*.js") if p.parent.name != "static"),
    ids=lambda p: p.name,
)
def test_no_script_of_ours_parses_text_as_html(path: Path):
    parsers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\("
    assert not re.findall(parsers, path.read_text(encoding="utf-8"))
