"""When a camera took a frame, told from its own time stamps where it gives any.

A frame comes over a network some milliseconds early or late, and a belt at 1 m/s moves a bean by 4 pixels in one of
them. The stamps of RTSP, and of USB cameras on Linux, are free of that; the clock here follows them, and the machine's
clock only slowly, so that the two stay together for days. Without stamps, a frame was taken when it came.
"""

from __future__ import annotations

from typing import Final

import cv2

LONGEST_STEP: Final = 1.0
"""Seconds from one stamp to the next at most; a larger step, or one back, begins anew..."""
FURTHEST: Final = 1.0
"""...and so does a stamp that has gone so far from the machine's clock."""
GAIN: Final = 0.001
"""Share of the difference between the clocks that is made up for with each frame."""
NO_STAMP: Final = -1e18
"""FFmpeg says less than this for a frame without a stamp: a stream of JPEGs over HTTP has none."""
_PTS: Final = getattr(cv2, "CAP_PROP_PTS", None)


class CameraClock:
    """Seconds since watching began, which only ever rise."""

    def __init__(self) -> None:
        self._stamp: float | None = None
        self._ahead = 0.0
        """What the machine's clock shows more than the stamp."""
        self._last = -1.0

    def seconds(self, stamp: float | None, arrived: float) -> float:
        """Return when a frame was taken.

        Args:
            stamp: seconds by the camera's clock, from any beginning; None if it gives none.
            arrived: seconds since watching began, when the frame came.
        """
        taken = arrived
        if stamp is not None:
            known = self._stamp is not None and 0 < stamp - self._stamp <= LONGEST_STEP
            if not known or abs(arrived - stamp - self._ahead) > FURTHEST:
                self._ahead = arrived - stamp
            self._ahead += GAIN * (arrived - stamp - self._ahead)
            taken = stamp + self._ahead
        self._stamp = stamp
        self._last = taken if taken > self._last else self._last + 1e-6
        return self._last


def stamp_of(video: cv2.VideoCapture) -> float | None:
    """Return the time stamp of the frame that was grabbed last, seconds; None if it has none."""
    if video.getBackendName() == "FFMPEG" and (_PTS is None or video.get(_PTS) < NO_STAMP):
        return None
    return video.get(cv2.CAP_PROP_POS_MSEC) / 1000
