"""What is shown as text is text, whatever is in it."""

from __future__ import annotations

import html

from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.explorer.widgets.notice import notice, plain_text

HOSTILE = "<img src=x onerror=alert(1)> &lt;b&gt; **bold** </pre><script>alert(1)</script>"


def in_the_page(model) -> str:
    """The HTML that a browser puts into the page: it decodes what it is sent once."""
    return html.unescape(model.text)


def test_a_message_is_text_from_the_first():
    (shown,) = notice(HOSTILE, "warning").get_root().data.objects
    assert in_the_page(shown) == f"<pre>{html.escape(HOSTILE)}</pre>"


@given(st.text(min_size=1))
def test_text_that_changes_stays_text(text: str):
    pane = plain_text()
    model = pane.get_root()
    pane.object = text
    shown = in_the_page(model).removeprefix("<pre>").removesuffix("</pre>")
    assert "<" not in shown and html.unescape(shown) == html.unescape(html.escape(text))
