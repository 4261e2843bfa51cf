"""Files are written completely or not at all; devices, links, permissions and other files stay as they are."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from notebook_explain._atomic import NAME, replacing
from tests.example_values import small_tubes

posix = pytest.mark.skipif(os.name != "posix", reason="no such files here")


def _write(path: Path, text: str = "new") -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_an_existing_file_keeps_its_permissions_and_a_new_one_has_the_users(tmp_path: Path) -> None:
    private = tmp_path / "private.html"
    private.write_text("old")
    private.chmod(0o600)
    seen = []
    with replacing(private) as temporary:
        seen.append(_mode(temporary))
        temporary.write_text("new")
    assert (private.read_text(), _mode(private), seen) == ("new", 0o600, [0o600])
    before = os.umask(0o027)
    try:
        _write(tmp_path / "new.html")
    finally:
        assert os.umask(before) == 0o027
    assert _mode(tmp_path / "new.html") == 0o640


@posix
def test_the_umask_of_the_process_is_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("another thread may create a file meanwhile"))
    _write(tmp_path / "page.html")


@posix
def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    target, link = tmp_path / "shared" / "page.html", tmp_path / "link.html"
    link.symlink_to(target)
    _write(link, "first")  # it leads to no file yet
    _write(link, "second")
    assert link.is_symlink()
    assert target.read_text() == "second"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link.html", "page.html", "shared"]


@posix
def test_devices_and_pipes_are_refused_and_stay(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link.html"
    link.symlink_to(os.devnull)
    for path in (pipe, Path(os.devnull), link):
        with pytest.raises(ValueError, match="is a device or a pipe, not a regular file; give the path of a file"):
            small_tubes().to_html(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.html", "pipe"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            assert NAME in temporary.name
            assert temporary.parent == tmp_path
            temporary.write_text("ha")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        fail()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("page.html", "old")]


def test_the_content_is_on_the_disk_before_the_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append("fsync"), fsync(descriptor))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (calls.append("replace"), replace(self, target))[1])
    _write(tmp_path / "page.html")
    assert calls == ["fsync", "replace"]


def test_threads_write_at_the_same_time(tmp_path: Path) -> None:
    threads = [threading.Thread(target=_write, args=(tmp_path / "page.html", str(index))) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@posix
def test_sigterm_removes_the_temporary_file_and_ends_the_process(tmp_path: Path) -> None:
    code = (
        "import time, sys\nfrom pathlib import Path\nfrom notebook_explain._atomic import replacing\n"
        f"with replacing(Path({str(tmp_path / 'page.html')!r})) as temporary:\n"
        "    temporary.write_text('half')\n    print('writing', flush=True)\n    time.sleep(30)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "writing"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_handler_of_the_user_stays(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        own = signal.getsignal(signal.SIGTERM)
        with replacing(tmp_path / "page.html") as temporary:
            temporary.write_text("new")
            assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    _write(tmp_path / "page.html")
    assert signal.getsignal(signal.SIGTERM) is before
