"""The worker: one job in work, one of each session waiting, and every job ends exactly once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
import torch

from notebook_explain.explorer.worker import CANCELLED, DONE, ERROR, SUPERSEDED, Clock, Job, Worker


class Log:
    """Jobs that wait for each other, and how they ended."""

    def __init__(self) -> None:
        self.worker = Worker(lambda: 1)
        self.ends: list[tuple[int, str]] = []
        self.started = threading.Event()

    def job(
        self, number: int, session: str = "a", *, blocks: bool = False, settled: bool = True, fails: Any = None
    ) -> Job:
        """Put a job in line; a blocking one works until it is stopped."""

        def run(job: Job) -> None:
            self.started.set()
            if fails is not None:
                raise fails
            end = time.monotonic() + 20
            while blocks and time.monotonic() < end:
                job.check()
                time.sleep(0.005)

        job = Job(session, run, lambda how, _: self.ends.append((number, how)), is_settled=settled, request=number)
        self.worker.submit(job)
        return job


@pytest.fixture
def log() -> Any:
    log = Log()
    yield log
    log.worker.close()


def test_the_newest_request_ends_the_one_in_work_and_the_waiting_one(log: Log) -> None:
    log.job(1, blocks=True)
    assert log.started.wait(5)
    log.job(2, "b", settled=False)  # of another view: waits in line
    log.job(3)
    log.job(4).wait(10)
    assert log.worker.wait(10)
    assert dict(log.ends) == {1: SUPERSEDED, 2: DONE, 3: SUPERSEDED, 4: DONE}


def test_a_preview_in_work_is_not_ended_by_a_newer_request(log: Log) -> None:
    release = threading.Event()

    def run(job: Job) -> None:
        log.started.set()
        release.wait(10)
        job.check()

    job = Job("a", run, lambda how, _: log.ends.append((1, how)), is_settled=False)
    log.worker.submit(job)
    assert log.started.wait(5)
    log.job(2)
    release.set()
    assert log.worker.wait(10)
    assert log.ends == [(1, DONE), (2, DONE)]


def test_cancel_ends_work_at_its_next_step_and_a_waiting_request_at_once(log: Log) -> None:
    log.job(1, blocks=True, settled=False)
    assert log.started.wait(5)
    log.job(2)
    log.worker.cancel("a", 2)
    assert log.ends == [(2, CANCELLED)]
    log.worker.cancel("b", 1)  # another view's
    time.sleep(0.05)
    assert log.ends == [(2, CANCELLED)]
    log.worker.cancel("a", 1)
    assert log.worker.wait(5)
    assert log.ends == [(2, CANCELLED), (1, CANCELLED)]


def test_an_error_is_the_end_and_the_thread_goes_on(log: Log) -> None:
    error = ValueError("no")
    first = log.job(1, fails=error)
    assert first.wait(5)
    assert log.job(2).wait(5)
    assert log.worker.wait(5)
    assert log.ends == [(1, ERROR), (2, DONE)]
    assert first.error is error


def test_every_job_ends_exactly_once_whatever_happens_at_the_same_time(log: Log) -> None:
    def ask(session: str) -> None:
        for number in range(60):
            log.job(hash((session, number)), session, blocks=number % 3 == 0, settled=number % 2 == 0)
            if number % 7 == 0:
                log.worker.cancel(session)
            time.sleep(0.001)
        log.worker.cancel(session)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.worker.close()
    counts = Counter(number for number, _ in log.ends)
    assert len(counts) == 180
    assert set(counts.values()) == {1}


def test_close_ends_everything_and_leaves_no_thread(log: Log) -> None:
    log.job(1, blocks=True)
    assert log.started.wait(5)
    log.job(2, "b", settled=False)
    log.worker.close()
    assert dict(log.ends) == {1: CANCELLED, 2: CANCELLED}
    assert not any(thread.name == "notebook_explain explorer" for thread in threading.enumerate())
    log.job(3)
    assert log.ends[-1] == (3, CANCELLED)


def test_the_threads_of_the_worker_are_its_own(log: Log) -> None:
    before, seen = torch.get_num_threads(), []
    job = Job("a", lambda _: seen.append(torch.get_num_threads()), lambda *_: None)
    log.worker.submit(job)
    assert job.wait(5)
    assert seen == [1]
    assert torch.get_num_threads() == before


def test_the_time_left_follows_the_steps_of_a_stage() -> None:
    clock = Clock()
    assert clock.left("rows", 1, 5) is None
    time.sleep(0.02)
    left = clock.left("rows", 3, 5)
    assert left is not None
    assert 0.01 < left < 1
    assert clock.left("other", 1, 5) is None
