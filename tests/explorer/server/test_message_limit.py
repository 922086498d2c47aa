"""What a page may send, and how fast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from laion_fmri.explorer.server.message_limit import AT_ONCE, PER_SECOND, Allowance


@given(st.lists(st.tuples(st.integers(1, AT_ONCE), st.floats(0, 5)), max_size=50))
def test_never_more_than_so_many_at_once_and_a_second(sent: list[tuple[int, float]]):
    now = 0.0
    allowance, taken = Allowance(now), 0
    for n, pause in sent:
        now += pause
        taken += n if allowance.take(n, now) else 0
        assert taken <= AT_ONCE + PER_SECOND * now + 1


def test_a_hand_that_drags_is_never_too_fast():
    allowance = Allowance(0.0)
    assert all(allowance.take(2, i / 60) for i in range(60 * 60))
    assert allowance.take(AT_ONCE // 2, 60.0)
    assert not allowance.take(AT_ONCE + 1, 600.0)
