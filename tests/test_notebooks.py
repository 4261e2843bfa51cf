"""The lessons run from top to bottom, as they stand and with the solutions; every term in bold is in the glossary."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from scripts.docs.tutorials import cell_markdown

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
GLOSSARY = ROOT / "docs" / "explanation" / "glossary.md"
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)
BOLD = re.compile(r"\*\*(.+?)\*\*")

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)


def _read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def _tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def _following(notebook: NotebookNode, tag: str) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    """Yield each cell with a tag and the one after it."""
    for cell, following in zip(notebook.cells, notebook.cells[1:], strict=False):
        if tag in cell.metadata.get("tags", []):
            yield cell, following


def _with_solutions(notebook: NotebookNode) -> NotebookNode:
    """Repeat each exercise and its check with the solution, as a learner pastes it once the check has failed.

    Before that, ``unsolved`` keeps what the check says about the exercise as it stands.
    """
    answers = iter(_tagged(notebook, "solution"))
    cells = [nbformat.v4.new_code_cell("unsolved = {}"), *notebook.cells]
    for exercise, check in list(_following(notebook, "exercise")):
        answer = next(answers)
        match = FENCE.search(answer.source)
        assert match, f"no code in {answer.id}"
        solved = nbformat.v4.new_code_cell(f"{exercise.source}\n{match[1]}")
        again = [
            nbformat.v4.new_code_cell("unsolved = {**solved, **unsolved}"),
            solved,
            nbformat.v4.new_code_cell(check.source),
        ]
        index_of_check = next(index for index, cell in enumerate(cells) if cell is check)
        cells[index_of_check + 1 : index_of_check + 1] = again
    notebook.cells = cells
    return notebook


def _names(source: str, kind: type[ast.expr_context]) -> set[str]:
    """Return the names that code reads or assigns."""
    return {
        node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, kind)
    }


def _run(notebook: NotebookNode, folder: Path) -> tuple[dict[str, bool], dict[str, bool]]:
    """Run a lesson in place; return which of its exercises count as solved as they stand, and with the solutions."""
    last = nbformat.v4.new_code_cell("import json\nprint(json.dumps([unsolved, solved]))")
    notebook.cells.append(last)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    as_it_stands, with_solutions = json.loads(_printed(notebook.cells.pop()))
    return as_it_stands, with_solutions


def _printed(cell: NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def _prose(notebook: NotebookNode) -> str:
    """Return the text of a lesson without headings, code, solutions and addresses of links."""
    cells = [
        cell for cell in notebook.cells if cell.cell_type == "markdown" and cell not in _tagged(notebook, "solution")
    ]
    text = "\n\n".join(cell.source for cell in cells)
    for code in (r"```.*?```", r"`[^`]*`", r"^#.*$", r"\]\([^)]*\)"):
        text = re.sub(code, " ", text, flags=re.DOTALL if code.startswith("```") else re.MULTILINE)
    return text


def _terms() -> list[str]:
    return re.findall(r"^\| \*\*(.+?)\*\* \|", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)


def _singular(term: str) -> str:
    return term.lower().removesuffix("s")


@each_lesson
def test_a_lesson_is_committed_without_output(path: Path) -> None:
    for cell in _read(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@each_lesson
@pytest.mark.filterwarnings("ignore")  # Jupyter's own stack
def test_a_lesson_runs_and_only_the_solutions_solve_its_exercises(path: Path, tmp_path: Path) -> None:
    notebook = _read(path)
    exercises = len(_tagged(notebook, "exercise"))
    as_it_stands, with_solutions = _run(_with_solutions(notebook), tmp_path)
    assert len(as_it_stands) == len(with_solutions) == exercises >= 2
    assert not any(as_it_stands.values()), as_it_stands
    assert all(with_solutions.values()), with_solutions
    shown = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    # No front end is attached, so a cell shows the page itself (and the widget where a lesson asks for one).
    assert any("<iframe" in output["data"].get("text/html", "") for output in shown)
    assert any("image/png" in output["data"] for output in shown)
    for _, revealed in _following(notebook, "prediction"):
        text = _printed(revealed)
        assert "%" not in text or "chance" in text, f"a share without its chance level in {revealed.id}"


@each_lesson
def test_no_cell_needs_a_solved_exercise(path: Path) -> None:
    """A learner who skips an exercise can run the rest."""
    own = ("exercise", "check", "solution")
    cells = [cell for cell in _read(path).cells if cell.cell_type == "code"]
    others = [cell for cell in cells if not set(own) & set(cell.metadata.get("tags", []))]
    given = set().union(*(_names(cell.source, ast.Store) for cell in others))
    for cell in _tagged(_read(path), "exercise"):
        needed = _names(cell.source, ast.Store) - given
        later = cells[[one.id for one in cells].index(cell.id) + 1 :]
        for other in later:
            if other.id in {one.id for one in others}:
                assert not needed & _names(other.source, ast.Load), f"{other.id} needs the exercise {cell.id}"


@each_lesson
def test_an_exercise_is_followed_by_a_check_and_a_solution(path: Path) -> None:
    cells = _read(path).cells
    tags = [tag for cell in cells for tag in cell.metadata.get("tags", []) if tag in ("exercise", "check", "solution")]
    assert tags == ["exercise", "check", "solution"] * (len(tags) // 3)
    for cell in _tagged(_read(path), "solution"):
        assert cell.source.startswith("<details markdown")
        assert cell.source.rstrip().endswith("</details>")


@each_lesson
def test_a_guess_is_compared_with_the_answer_in_the_next_cell(path: Path) -> None:
    notebook = _read(path)
    assert len(_tagged(notebook, "prediction")) >= 3
    for guess, revealed in _following(notebook, "prediction"):
        read = {node.id for node in ast.walk(ast.parse(revealed.source)) if isinstance(node, ast.Name)}
        for statement in ast.parse(guess.source).body:
            assert isinstance(statement, ast.Assign)
            assert isinstance(statement.value, ast.Constant)
            (name,) = statement.targets
            assert isinstance(name, ast.Name)
            assert name.id in read, f"{revealed.id} does not use {name.id}"


@each_lesson
def test_a_lesson_states_audience_knowledge_and_time(path: Path) -> None:
    first = _read(path).cells[0].source
    assert [row for row in ("For", "You know", "Time", "You need") if f"\n| {row} | " not in first] == []


def test_the_glossary_is_sorted_and_names_a_term_once() -> None:
    terms = [term.lower() for term in _terms()]
    assert terms
    assert terms == sorted(set(terms))


@each_lesson
def test_every_term_in_bold_is_in_the_glossary(path: Path) -> None:
    bold = {_singular(term) for term in BOLD.findall(_prose(_read(path)))}
    assert bold
    assert bold <= {_singular(term) for term in _terms()}


@each_lesson
def test_a_term_is_in_bold_where_a_reader_first_meets_it(path: Path) -> None:
    """A reader has read the first lesson before any other."""
    prose = "\n\n".join(_prose(_read(lesson)) for lesson in dict.fromkeys([LESSONS[0], path]))
    defined = [match.span() for match in BOLD.finditer(prose)]
    late = []
    for term in _terms():
        first = re.search(rf"(?<!\w){re.escape(_singular(term))}s?(?!\w)", prose, re.IGNORECASE)
        if first and not any(start <= first.start() and first.end() <= end for start, end in defined):
            late.append(f"{term}: ...{prose[max(0, first.start() - 40) : first.end() + 20]}...")
    assert not late


def test_on_the_site_lessons_link_to_pages_and_hidden_code_is_folded(tmp_path: Path) -> None:
    linked = nbformat.v4.new_markdown_cell("[1](01_first_look.ipynb) [g](../docs/explanation/glossary.md)")
    assert cell_markdown(linked, tmp_path, "x") == "[1](01_first_look.md) [g](../../explanation/glossary.md)"
    plain = nbformat.v4.new_code_cell("1")
    hidden = nbformat.v4.new_code_cell("1", metadata={"jupyter": {"source_hidden": True}})
    assert "<details" not in cell_markdown(plain, tmp_path, "x")
    assert cell_markdown(hidden, tmp_path, "x").startswith('<details markdown="1">')
