"""Edits of a clip or of a network as values, and their effect on prediction and explanation.

>>> import notebook_explain as ne
>>> ne.what_if(model, clip, [ne.edits.Occlude(box=(20, 10, 60, 90), frames=(4, 9))])
>>> ne.temporal_reliance(model, clip)                     # does the network need the order of the frames?
"""

from notebook_explain.what_if import edits
from notebook_explain.what_if.clip_scores import HeadScores, scores
from notebook_explain.what_if.run import what_if
from notebook_explain.what_if.temporal import temporal_reliance

__all__ = ["HeadScores", "edits", "scores", "temporal_reliance", "what_if"]
