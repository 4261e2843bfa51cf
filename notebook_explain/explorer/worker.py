"""One thread that computes beside the cells: the newest request waits, and a newer one ends the one in work at its next step."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

DONE, ERROR, SUPERSEDED, CANCELLED = ENDS = ("done", "error", "superseded", "cancelled")


class Stopped(BaseException):
    """The job in work is not wanted any more. No Exception, so that no explainer takes it for a failure of the network."""


class Job:
    """Work for one request.

    Parameters
    ----------
    session : str
        View that asks; "" for Python.
    run : function
        Takes the job; calls its `check` between steps.
    end : function
        Called exactly once, with one of `ENDS` and the error, if there is one.
    is_settled : bool
        The request ends a gesture; only such work is ended by newer requests.

    Attributes
    ----------
    error : Exception or None
    """

    def __init__(
        self,
        session: str,
        run: Callable[[Job], None],
        end: Callable[[str, BaseException | None], None],
        *,
        is_settled: bool = True,
        request: int = 0,
    ) -> None:
        self.session, self.is_settled, self.request = session, is_settled, request
        self.error: BaseException | None = None
        self._run, self._end = run, end
        self._context = contextvars.copy_context()  # says which request the messages answer
        self._lock, self._stop, self._ended = threading.Lock(), "", threading.Event()

    def stop(self, how: str) -> None:
        """Ask the job to end at its next step, as "superseded" or "cancelled"."""
        self._stop = self._stop or how

    def check(self) -> None:
        """Raise `Stopped` if the job is not wanted any more."""
        if self._stop:
            raise Stopped

    def work(self) -> None:
        """Do the work, and end."""
        try:
            self.check()
            self._context.run(self._run, self)
        except Stopped:
            self.finish(self._stop or CANCELLED)
        except BaseException as error:  # nothing that a thread raises is seen in a cell
            self.finish(ERROR, error)
        else:
            self.finish(DONE)

    def finish(self, how: str, error: BaseException | None = None) -> None:
        """End the job, if it has not ended."""
        with self._lock:
            if self._ended.is_set():
                return
            self.error = error
            self._ended.set()
        try:
            self._context.copy().run(self._end, how, error)
        finally:
            self._run = self._end = _nothing  # the explorer can be freed

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended; False after a timeout."""
        return self._ended.wait(timeout)


class Worker:
    """A thread that works on jobs; at most one of each session waits.

    Parameters
    ----------
    threads : function
        Returns the number of threads of torch for the next job.
    """

    def __init__(self, threads: Callable[[], int]) -> None:
        self._threads = threads
        self._condition = threading.Condition()
        self._waiting: OrderedDict[str, Job] = OrderedDict()
        self._current: Job | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, job: Job) -> None:
        """Put a job in line. It replaces the waiting one of its session, and ends older settled work."""
        with self._condition:
            if self._is_closed:
                replaced, is_closed = None, True
            else:
                replaced, is_closed = self._waiting.pop(job.session, None), False
                self._waiting[job.session] = job
                current = self._current
                if current is not None and current.is_settled and (job.is_settled or job.session == current.session):
                    current.stop(SUPERSEDED)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._loop, name="notebook_explain explorer", daemon=True)
                    self._thread.start()
                self._condition.notify_all()
        if is_closed:
            job.finish(CANCELLED)
        if replaced is not None:
            replaced.finish(SUPERSEDED)

    def cancel(self, session: str, request: int | None = None) -> None:
        """End the requests of a session, or one of them, at their next step."""
        with self._condition:
            waiting = self._waiting.get(session)
            if waiting is not None and request in (None, waiting.request):
                del self._waiting[session]
            else:
                waiting = None
            current = self._current
            if current is not None and current.session == session and request in (None, current.request):
                current.stop(CANCELLED)
        if waiting is not None:
            waiting.finish(CANCELLED)

    @property
    def is_idle(self) -> bool:
        """True if nothing is in work, and nothing waits."""
        with self._condition:
            return self._current is None and not self._waiting

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is in work; False after a timeout."""
        with self._condition:
            return self._condition.wait_for(lambda: self._current is None and not self._waiting, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """End all jobs and the thread."""
        with self._condition:
            self._is_closed = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
            if self._current is not None:
                self._current.stop(CANCELLED)
            thread, self._thread = self._thread, None
            self._condition.notify_all()
        for job in waiting:
            job.finish(CANCELLED)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _loop(self) -> None:
        before = 0
        while True:
            with self._condition:
                self._current = None
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                _, job = self._waiting.popitem(last=False)
                self._current = job
            threads = self._threads()
            if threads != before:  # of this thread only
                torch.set_num_threads(threads)
                before = threads
            job.work()
            del job


def _nothing(*_: Any) -> None:
    """Do nothing."""


class Clock:
    """Estimate the time left of a stage from its steps so far."""

    def __init__(self) -> None:
        self._starts: dict[str, tuple[float, int]] = {}

    def left(self, stage: str, done: int, total: int) -> float | None:
        """Return the seconds until the last step; None while unknown."""
        now = time.perf_counter()
        start, first = self._starts.setdefault(stage, (now, done))
        steps = done - first
        return (now - start) / steps * (total - done) if steps > 0 and total >= done else None
