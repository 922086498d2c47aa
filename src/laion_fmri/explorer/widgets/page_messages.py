"""Messages from the page to Python: messages of a component, checked before they are handled."""

from __future__ import annotations

import logging
from typing import Any

from panel.custom import JSComponent

log = logging.getLogger("laion_fmri.explorer")


class MessagingComponent(JSComponent):
    """A component whose script sends messages to Python.

    A page can be made to send anything. A subclass matches the format of a message in `receive`. A
    message that does not match is refused, and logged the first time.
    """

    __abstract = True

    _has_refused = False

    def receive(self, message: Any) -> bool:
        """Handle a message from the page.

        Returns
        -------
        bool
            Whether the message has a format that the script sends.
        """
        raise NotImplementedError

    def _handle_msg(self, data: Any) -> None:
        if not self.receive(data) and not self._has_refused:
            self._has_refused = True
            log.warning("%s refuses a message that its page does not send", type(self).__name__)
