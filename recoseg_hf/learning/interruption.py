"""Signals that ask a run to end: noted when they come, obeyed at the end of a step."""

import signal
import threading
from types import FrameType, TracebackType

from recoseg_hf.errors import RecosegError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class TrainingInterrupted(RecosegError):  # noqa: N818 (it is no error)
    """A run was asked to end, and has saved a checkpoint.

    Args:
        number: of the signal.
        step: after which the checkpoint was saved.
    """

    def __init__(self, number: int, step: int) -> None:
        super().__init__(number, step)
        self.number, self.step = number, step

    @property
    def exit_code(self) -> int:
        """What a shell reports for a process ended by the signal: 143 for SIGTERM, 130 for Ctrl-C."""
        return 128 + self.number

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return f"stopped by {name} after step {self.step}, which is saved. --resume_from_checkpoint latest goes on."


class StopRequest:
    """Within, the first SIGTERM or Ctrl-C is noted in `number`, which is 0 before; a second Ctrl-C acts at once."""

    def __init__(self) -> None:
        self.number = 0
        self._former: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python gives signals to no other
            self._former = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
