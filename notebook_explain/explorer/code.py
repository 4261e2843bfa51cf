"""Python that gives the same numbers as a step of the explorer."""

from __future__ import annotations

import sys
from typing import Any

from notebook_explain.explanations.predictions import HeadPrediction
from notebook_explain.explorer.methods import ANIMATION, CONCEPTS, FIGURE, Method
from notebook_explain.explorer.steps import Question

WIDTH = 110


def code_of(question: Question, head: HeadPrediction, method: Method, name: str = "explorer") -> str:
    """Return code that asks the same question without the explorer.

    Parameters
    ----------
    question : Question
    head : HeadPrediction
        Names the head and its classes; unnamed ones are given by index.
    method : Method
        Of the question.
    name : str
        Variable that holds the explorer.
    """
    edits = ", ".join(repr(edit) for edit in question.edits)
    target = _target(question, head.labels, head.name)
    lines = ["import notebook_explain as ne", *(["from notebook_explain import edits"] if edits else []), ""]
    lines += [f"model, clip = {name}.model, {name}.clip"]
    given = f"    [{edits}],"
    if len(given) > WIDTH:
        given = "\n".join(["    [", *(f"        {edit!r}," for edit in question.edits), "    ],"])
    if method.makes in (ANIMATION, FIGURE) or method.key == CONCEPTS:
        lines += [f"edited, changed = ne.edits.edited_model(model, [{edits}]), ne.edits.edited_clip(clip, [{edits}])"]
        lines += [f"result = {_call(method, question, target, name)}"]
        return "\n".join(lines)
    explainer = method.code(question.values)
    lines += ["result = ne.what_if(", "    model,", "    clip,", given, f"    target={target},"]
    lines += [f"    explainer={explainer},", ")", "result"]
    return "\n".join(lines)


def _call(method: Method, question: Question, target: str, name: str) -> str:
    values = dict(question.values)
    if method.key == CONCEPTS:
        return f"{name}.concepts.tube(changed, {values.get('concept', 0)}, edited)"
    if method.makes == ANIMATION:
        arguments = "".join(f", {knob}={value!r}" for knob, value in method.all_values(values).items())
        return f"ne.animate(edited, changed, {target}{arguments})"
    return f"{method.code(values)}(edited, changed, {target})"


def _target(question: Question, labels: tuple[str, ...], head: str) -> str:
    """Return the code of a target; labels that are not unique are given by index."""

    def one(index: int) -> str:
        label = labels[index]
        return repr(label if labels.count(label) == 1 and label != f"class {index}" else index)

    if question.against is None and not head:
        return one(question.target)
    in_head = f", head={head!r}" if head else ""
    code = f"ne.Target({one(question.target)}{in_head})"
    return code if question.against is None else f"{code} - ne.Target({one(question.against)}{in_head})"


def variable_of(explorer: Any) -> str:
    """Return the name of the notebook's variable that holds an explorer; "explorer" if there is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    variables = {} if shell is None else dict(shell.user_ns)
    return next(
        (name for name, value in variables.items() if value is explorer and not name.startswith("_")), "explorer"
    )
