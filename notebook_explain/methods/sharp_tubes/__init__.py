"""Sharp tubes: evidence that adds up to the score, at the resolution of the clip."""

from notebook_explain.methods.sharp_tubes.explainer import SharpTubes

__all__ = ["SharpTubes"]
