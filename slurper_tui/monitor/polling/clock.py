"""The time that a monitor lives in: that of the machine, or that of a replay."""

from __future__ import annotations

import asyncio
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

from slurper_tui.monitor.model.base import Moment


class MachineClock:
    """The clocks of this machine. wall: UTC seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall

    def now(self) -> Moment:
        """Return this instant."""
        return Moment(asyncio.get_running_loop().time(), self.wall())

    async def wait(self, woken: asyncio.Event, until: float, *, busy: bool) -> bool:
        """Wait until monotonic seconds, or until woken. Return whether to ask for everything."""
        if (seconds := until - self.now().mono) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await woken.wait()
        return False


ALIKE = 1.0
"""Answers at most this many seconds apart are one step of a replay."""

LONGEST_STEP = 5.0
"""Seconds that a step spans at most: answers about many jobs follow one another without a pause."""

GAP = 60.0
"""Between answers further apart, in seconds, nobody asked: no round is made up in between."""

GAP_PASSES = 2.0
"""Real seconds in which such a time passes at most."""

LATER = 10.0
"""Seconds between the last answer and the end of a replay."""

SPEEDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""The speeds that the keys choose; 60 is a minute in each second."""


class ReplayClock(MachineClock):
    """Recorded time, which only goes forward.

    It passes at `speed`, and stands still while a request is under way.

    times: UTC seconds of the recorded answers. marks: UTC seconds of the changes of a status.
    speed: recorded seconds for each second; infinite to wait for nothing.
    playing: False while it is paused.
    """

    def __init__(
        self, times: Sequence[float], marks: Sequence[float] = (), speed: float = 1.0
    ) -> None:
        super().__init__(lambda: self._now)
        self.begin, self.end = times[0], times[-1] + LATER
        self.speed, self.playing = speed, True
        self._steps, self._marks = _steps(times), marks
        self._now = self.begin
        self._target = -math.inf
        self._changed = asyncio.Event()

    def now(self) -> Moment:
        """Return the recorded time, on both clocks."""
        return Moment(self._now, self._now)

    def set_playing(self, playing: bool) -> None:
        """Play or pause."""
        self.playing, self._target = playing, -math.inf
        self._changed.set()

    def set_speed(self, step: int) -> None:
        """Choose the next higher (1) or lower (-1) speed, if there is one."""
        higher = (speed for speed in SPEEDS if speed > self.speed)
        lower = (speed for speed in reversed(SPEEDS) if speed < self.speed)
        self.speed = next(higher if step > 0 else lower, self.speed)
        self._changed.set()

    def go_to(self, at: float) -> None:
        """Pass at once to a later time, UTC seconds, through every answer, and pause there."""
        self.playing, self._target = False, min(at, self.end)
        self._changed.set()

    def next_step(self) -> float:
        """Return the time of the next answers."""
        place = bisect_right(self._steps, self._now)
        return self._steps[place] if place < len(self._steps) else self.end

    def next_mark(self) -> float:
        """Return the time of the next step at which a status has changed."""
        marks = self._marks[bisect_right(self._marks, self._now) :]
        place = bisect_left(self._steps, marks[0]) if marks else len(self._steps)
        return self._steps[place] if place < len(self._steps) else self.end

    async def wait(self, woken: asyncio.Event, until: float, *, busy: bool) -> bool:
        """Wait until recorded seconds, or until woken; pass no recorded answers."""
        if busy or self._now >= self.end:
            await woken.wait()
            return False
        step = self.next_step()
        is_gap = step - self._now > GAP
        until = step if is_gap else min(until, step)
        while self._now < until and not woken.is_set():
            await self._pass(woken, until, is_gap=is_gap)
        return self._now >= step

    async def _pass(self, woken: asyncio.Event, until: float, *, is_gap: bool) -> None:
        """Let time pass until a moment, until woken, or until the pace has changed."""
        if self._now < self._target or (self.playing and math.isinf(self.speed)):
            self._now = until
            await asyncio.sleep(0)
            return
        seconds = (until - self._now) / self.speed if self.playing else None
        if seconds is not None and is_gap:
            seconds = min(seconds, GAP_PASSES)
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._changed.clear()
        waits = [asyncio.create_task(event.wait()) for event in (woken, self._changed)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in waits:
                waiting.cancel()
        if seconds is None:
            return
        if (passed := loop.time() - began) >= seconds:
            self._now = until
        elif not is_gap:
            self._now = min(until, self._now + passed * self.speed)


def _steps(times: Sequence[float]) -> list[float]:
    """Return the times of the last answers of the steps. times: the earliest first."""
    steps: list[float] = []
    begin = times[0]
    for last, at in pairwise(times):
        if at - last > ALIKE or at - begin > LONGEST_STEP:
            steps.append(last)
            begin = at
    return [*steps, times[-1]]
