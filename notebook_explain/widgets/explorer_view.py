"""View of the explorer: a clip, a network, and explanations that follow edits. It shows what `explorer.Explorer` computes."""

from __future__ import annotations

from typing import Any

import traitlets

from notebook_explain._validation import check_choice
from notebook_explain.widgets import base

BUNDLE = "explorer"
STATE = (
    "title",
    "clip_state",
    "labels",
    "kind",
    "before",
    "after",
    "target",
    "against",
    "method",
    "methods",
    "knobs",
    "edit_list",
    "edit_kinds",
    "layers",
    "tubes",
    "pyramid",
    "animation",
    "figure",
    "words",
    "caveats",
    "history",
    "step",
    "error",
)


class ClassIndex(traitlets.Int[Any, Any]):
    """Trait that holds the index of a class; you may set it by label."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the index of a class."""
        if isinstance(value, str):
            check_choice(self.name or "target", value, obj.labels)
            value = obj.labels.index(value)
        return super().validate(obj, value)


class ExplorerView(base.View):
    """Traits of the explorer, which Python writes once for each settled step; requests and partial results are messages.

    Use `notebook_explain.Explorer`, which computes what the view asks for.
    """

    bundle = BUNDLE
    movable = STATE  # a page that opens again takes the state of now
    page_width = 1600
    _esm, _css = base.sent_bundle(BUNDLE)

    title = traitlets.Unicode("", help="heading, plain text").tag(sync=True)
    clip_state = traitlets.Dict(help="size, times, frames and picture of the clip before the edits").tag(sync=True)
    labels = traitlets.List(traitlets.Unicode(), help="classes of the head that is explored").tag(sync=True)
    kind = traitlets.Unicode("classes", help="what the outputs are: classes, binary, multilabel, regression").tag(
        sync=True
    )
    before = traitlets.Dict(help="logits and probabilities of the clip without edits").tag(sync=True)
    after = traitlets.Dict(help="logits and probabilities with the edits of this step").tag(sync=True)
    target = ClassIndex(0, help="index of the class that is explained").tag(sync=True)
    against = ClassIndex(None, allow_none=True, help="index of the class that it is compared with").tag(sync=True)
    method = traitlets.Unicode("", help="key of the method that explains").tag(sync=True)
    methods = traitlets.List(traitlets.Dict(), help="key, name, help, makes, slow, knobs of each method").tag(sync=True)
    knobs = traitlets.Dict(help="values of knobs that are not the default, by method").tag(sync=True)
    edit_list = traitlets.List(traitlets.Dict(), help="edit, enabled, words, code of each edit").tag(sync=True)
    edit_kinds = traitlets.List(traitlets.Dict(), help="edit, name, help, of, fields of each kind of edit").tag(
        sync=True
    )
    layers = traitlets.List(traitlets.Dict(), help="name, kind, shape, channels of each layer").tag(sync=True)
    tubes = traitlets.Dict(help="state of a tube viewer; empty for none").tag(sync=True)
    pyramid = traitlets.Dict(help="state of a pyramid viewer; empty for none").tag(sync=True)
    animation = traitlets.Dict(help="frames, text, rows of a made clip; empty for none").tag(sync=True)
    figure = traitlets.Dict(help="png and text of a picture; empty for none").tag(sync=True)
    words = traitlets.Unicode("", help="what the edits change, one sentence").tag(sync=True)
    caveats = traitlets.List(traitlets.Unicode(), help="limits of the explanation, one sentence each").tag(sync=True)
    history = traitlets.List(traitlets.Dict(), help="id, words, edits, code, pinned ... of each step").tag(sync=True)
    step = traitlets.Int(0, help="index of the step shown").tag(sync=True)
    error = traitlets.Unicode("", help="why the last request failed; empty for none").tag(sync=True)
