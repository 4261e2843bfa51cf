"""Progress in a real kernel: updates of one output of the right cell, and nothing of it in the saved notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from tests.cli.run_cli import ENVIRONMENT, ROOT
from tests.progress.slow_net import SETUP

pytestmark = pytest.mark.filterwarnings("ignore")  # Jupyter's own stack
LINE = re.compile(r"([\d.]+) s saliency tubes: layer (\d+) of 9 \((forward|backward)\)")
SLOW = "net.seconds[0] = 0.2\ntubes = ne.SaliencyTubes()(model, clip)"
FAST = "net.seconds[0] = 0.0\ntubes = ne.SaliencyTubes()(model, clip)"


class Kernel:
    """A kernel that has run the setup."""

    def __init__(self) -> None:
        self.manager, self.client = start_new_kernel(env=ENVIRONMENT, cwd=str(ROOT))
        self.run(SETUP)

    def run(self, code: str, interrupt_at: str = "") -> list[dict[str, Any]]:
        """Run a cell; return its messages, each of which has the cell as its parent."""
        request = self.client.execute(code)
        messages: list[dict[str, Any]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            kind = message["header"]["msg_type"]
            if message["parent_header"].get("msg_id") != request:
                assert kind == "status", f"{kind} of another cell"
                continue
            if kind == "status" and message["content"]["execution_state"] == "idle":
                return messages
            messages.append(message)
            if interrupt_at and interrupt_at == kind:
                self.manager.interrupt_kernel()
                interrupt_at = ""

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    """Return the kinds of messages without repetitions and those that every cell has."""
    found = [message["header"]["msg_type"] for message in messages]
    found = [kind for kind in found if kind not in ("status", "execute_input")]
    return [kind for index, kind in enumerate(found) if index == 0 or found[index - 1] != kind]


def shown(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return what is displayed, one after the other."""
    return [message["content"]["data"] for message in messages if "data" in message["content"]]


def test_the_layer_and_the_elapsed_time_move_within_a_pass(kernel: Kernel) -> None:
    messages = kernel.run(SLOW)
    bundles = shown(messages)
    found = [LINE.search(bundle["text/plain"]) for bundle in bundles]
    moves = [(float(match[1]), match[2], match[3]) for match in found if match]
    assert moves[0][0] < 1.5, "half a second, on a machine that is busy"
    for direction in ("forward", "backward"):
        assert len({layer for _, layer, passed in moves if passed == direction}) > 1
    assert all(set(bundle) == {"text/plain", "text/html"} for bundle in bundles)
    assert kinds(messages) == ["display_data", "update_display_data", "clear_output"]
    assert messages[-1]["content"]["wait"] is False


def test_fast_work_displays_nothing(kernel: Kernel) -> None:
    assert kinds(kernel.run(FAST)) == []


def test_other_output_of_the_cell_is_kept_and_the_line_between_is_emptied(kernel: Kernel) -> None:
    messages = kernel.run(f"print('before')\n{SLOW}\nprint('after')")
    assert kinds(messages) == ["stream", "display_data", "update_display_data", "stream"]
    assert shown(messages)[-1] == {}


def test_output_by_others_while_the_work_runs_is_kept(kernel: Kernel) -> None:
    code = "import threading\nthreading.Timer(0.7, lambda: print('meanwhile')).start()\n"
    messages = kernel.run(code + SLOW)
    assert "clear_output" not in kinds(messages)
    assert shown(messages)[-1] == {}


def test_lines_of_one_cell_share_an_output_until_it_is_cleared(kernel: Kernel) -> None:
    indented = "\n".join(f"    {line}" for line in SLOW.splitlines())
    loop = f"for index in range(2):\n    print(index)\n{indented}"
    assert kinds(kernel.run(loop)) == ["stream", "display_data", "update_display_data", "stream", "update_display_data"]
    cleared = kernel.run(f"print(1)\n{SLOW}\nfrom IPython.display import clear_output\nclear_output()\n{SLOW}")
    assert kinds(cleared)[3:] == ["clear_output", "display_data", "update_display_data"]


@pytest.mark.parametrize("interrupt", [False, True], ids=["error", "interrupt"])
def test_the_line_is_removed_before_an_error(kernel: Kernel, interrupt: bool) -> None:
    code = SLOW.replace("clip)", "clip, 'nobody')")
    messages = kernel.run(code, "display_data" if interrupt else "")
    found = kinds(messages)
    assert found[0] == "display_data"
    assert found[-2:] == ["clear_output", "error"]
    assert messages[-1]["content"]["ename"] == ("KeyboardInterrupt" if interrupt else "UsageError")


def test_a_thread_displays_in_the_cell_that_started_it(kernel: Kernel) -> None:
    in_thread = "\n".join(f"    {line}" for line in SLOW.splitlines())
    code = f"import threading\ndef work():\n{in_thread}\nthread = threading.Thread(target=work)\nthread.start()\n"
    assert "display_data" in kinds(kernel.run(code + "thread.join()"))


def test_the_line_stays_in_its_cell_if_another_one_starts(kernel: Kernel) -> None:
    """Subshells run cells at the same time; the kernel's last request is then another one."""
    code = """import threading
publisher = get_ipython().display_pub
if not hasattr(publisher, "set_thread_parent"):
    raise NotImplementedError
thread = threading.Thread(target=publisher.set_parent, args=({"header": {"msg_id": "other"}},))
thread.start()
thread.join()
"""
    messages = kernel.run(code + SLOW)
    if messages[-1]["content"].get("ename") == "NotImplementedError":
        pytest.skip("this version of ipykernel runs one cell at a time")
    assert kinds(messages) == ["display_data", "update_display_data", "clear_output"]


def test_captured_output_is_without_progress(kernel: Kernel) -> None:
    assert kinds(kernel.run(f"%%capture captured\n{SLOW}")) == []
    assert kernel.run("print(len(captured.outputs))")[-1]["content"]["text"] == "0\n"


def test_a_saved_notebook_has_no_widget_and_nothing_of_the_line() -> None:
    codes = [SETUP, SLOW, f"print('before')\n{SLOW}\nprint('after')", f"{SLOW}\nne.FeaturePyramid()(model, clip)\n5"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute(
        env=ENVIRONMENT
    )
    nbformat.validate(notebook)
    _, alone, between, twice = (cell.outputs for cell in notebook.cells)
    assert alone == []
    assert [output.get("text", output.get("data")) for output in between] == ["before\n", {}, "after\n"]
    assert [output.output_type for output in twice] == ["execute_result"]
    assert "widget" not in nbformat.writes(notebook)
