"""The explorer: clip, network, explanations and what-if in one cell. The only package where models, methods and widgets meet."""

from notebook_explain.explorer.explorer import Explorer

__all__ = ["Explorer"]
