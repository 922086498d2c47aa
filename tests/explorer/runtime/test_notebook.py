"""What notebooks need: text that cells print is not lost."""

from __future__ import annotations

import threading

import pyviz_comms
from pyviz_comms import Comm

from laion_fmri.explorer.runtime.notebook import keep_printed_text


class _LocalComm(Comm):
    """A channel without a page: answers go nowhere."""

    def send(self, data=None, metadata=None, buffers=None):
        pass


def test_a_cell_prints_while_events_of_a_page_are_handled(monkeypatch, capsys):
    monkeypatch.setattr(pyviz_comms, "StandardOutput", pyviz_comms.StandardOutput)
    keep_printed_text()
    begun, ends = threading.Barrier(3), [threading.Event(), threading.Event()]

    def handle(number: int) -> None:
        def on_event(_: object) -> None:
            begun.wait(10)
            ends[number].wait(10)

        _LocalComm(on_msg=on_event)._handle_msg({"content": {"data": {}}})

    threads = [threading.Thread(target=handle, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    print("during the events")
    for end, thread in zip(ends, threads, strict=True):  # the first to begin ends first
        end.set()
        thread.join(10)
    print("after the events")
    assert capsys.readouterr().out == "during the events\nafter the events\n"
