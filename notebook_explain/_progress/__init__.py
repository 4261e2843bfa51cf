"""Progress of long work, as people see it: one line in a terminal or a notebook, with the stage and the elapsed time.

Work opens the line with `working`, and names its stages with `stage`, at any depth: the line belongs to the context
(``contextvars``) of the caller, so threads do not see those of others, and nothing is passed through. Passes through a
network report their layers to `active` (``models.layer_progress``). Without a terminal or a notebook there is no line, and
nobody listens.
"""

from notebook_explain._progress.line import Line, active, counted, listening, paused, stage, working

__all__ = ["Line", "active", "counted", "listening", "paused", "stage", "working"]
