"""Widgets, figures, videos and pages of explanations, and the output of a cell."""

from notebook_explain.display.cells import (
    Embedded,
    clip_bundle,
    curves_bundle,
    embed,
    mimebundle,
    picture,
    widget_output,
)
from notebook_explain.display.evaluations import evaluation_bundle, evaluation_page
from notebook_explain.display.exports import figure, to_gif, to_html, to_ipyvolume, to_png, to_video
from notebook_explain.display.viewers import compare, view
from notebook_explain.display.what_ifs import figure_bundle, what_if_bundle, what_if_page, what_if_view

__all__ = [
    "Embedded",
    "clip_bundle",
    "compare",
    "curves_bundle",
    "embed",
    "evaluation_bundle",
    "evaluation_page",
    "figure",
    "figure_bundle",
    "mimebundle",
    "picture",
    "to_gif",
    "to_html",
    "to_ipyvolume",
    "to_png",
    "to_video",
    "view",
    "what_if_bundle",
    "what_if_page",
    "what_if_view",
    "widget_output",
]
