"""What if the clip or the network were another one? Edits as values, and what they do to prediction and explanation."""

from notebook_explain.what_if import edits
from notebook_explain.what_if.clip_scores import HeadScores, scores

__all__ = ["HeadScores", "edits", "scores"]
