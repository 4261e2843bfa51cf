"""Keep the module paths of version 0.2 importable for one release.

Importing an old path returns the module that replaced it, with a DeprecationWarning that names the new path.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]

MOVED = {
    "clip.folders": "clip.sources.image_folder",
    "clip.framing": "clip.resize",
    "clip.paths": "clip.sources.open",
    "clip.quiet": "clip.sources.ffmpeg_log",
    "clip.reading": "clip.decode",
    "clip.video": "clip.sources.video",
    "command_line": "cli",
    "command_line.commands": "cli.commands",
    "command_line.entry": "cli.main",
    "command_line.errors": "cli.errors",
    "command_line.labels": "cli.label_files",
    "command_line.options": "cli.arguments",
    "command_line.telling": "cli.console",
    "command_line.ways_out": "cli.outputs",
    "explanations.archives": "explanations.io.npz",
    "explanations.block_file": "explanations.io.blocks",
    "explanations.block_report": "explanations.blocks.report",
    "explanations.courses": "explanations.blocks.frame_signal",
    "explanations.entries": "explanations.io.fields",
    "explanations.errors": "_errors",
    "explanations.evidence": "explanations.threshold",
    "explanations.files": "explanations.io.save_load",
    "explanations.graphs": "explanations.pyramid.export",
    "explanations.pyramid_file": "explanations.io.pyramid",
    "explanations.pyramid_words": "explanations.pyramid.text",
    "explanations.pyramids": "explanations.pyramid.pyramid",
    "explanations.remarks": "explanations.caveats",
    "explanations.tubes_file": "explanations.io.tubes",
    "explanations.units": "explanations.pyramid.units",
    "explanations.wording": "explanations.text",
    "figures.block_groups": "figures.blocks.groups",
    "figures.block_numbers": "figures.blocks.bars",
    "figures.block_report": "figures.blocks.report",
    "figures.block_tables": "figures.blocks.heatmaps",
    "figures.canvas": "figures.placement",
    "figures.fewer": "figures.png",
    "figures.film": "figures.video.render",
    "figures.gif": "figures.video.gif",
    "figures.letters": "figures.fonts",
    "figures.moving": "figures.video.export",
    "figures.paper": "figures.tubes",
    "figures.reels": "figures.video.frames",
    "figures.sheets": "figures.blocks.scale",
    "figures.strip": "figures.thumbnail",
    "figures.webm": "figures.video.encoding",
    "layers.released": "layers.released_checkpoints",
    "layers.routing": "layers.soft_pool.weights",
    "layers.soft_mean": "layers.soft_pool.autograd",
    "layers.soft_mean_pieces": "layers.soft_pool.kernels",
    "layers.told": "layers.signal_types",
    "layers.windows": "layers.soft_pool.windows",
    "methods.feature_pyramid.assembling": "methods.feature_pyramid.builder",
    "methods.feature_pyramid.climbing": "methods.feature_pyramid.descent",
    "methods.feature_pyramid.passing": "methods.feature_pyramid.layer_records",
    "methods.feature_pyramid.published": "methods.feature_pyramid.paper",
    "methods.feature_pyramid.reading": "methods.feature_pyramid.operands",
    "methods.overhearing": "methods.block_recorder",
    "methods.streaming": "methods.progress_bar",
    "models.adapting": "models.adapter",
    "models.catalogue": "models.layers",
    "models.connectivity": "models.channel_graph",
    "models.connectivity.arrivals": "models.channel_graph.link_builder",
    "models.connectivity.calls": "models.channel_graph.op_hooks",
    "models.connectivity.labels": "models.channel_graph.channel_labels",
    "models.connectivity.links": "models.channel_graph.graph",
    "models.connectivity.notes": "models.channel_graph.graph",
    "models.connectivity.opening": "models.channel_graph.keep_graph",
    "models.connectivity.probing": "models.channel_graph.op_probe",
    "models.connectivity.routing": "models.channel_graph.trace",
    "models.connectivity.rules": "models.channel_graph.label_rules",
    "models.connectivity.seeing": "models.channel_graph.receptive_fields",
    "models.connectivity.walking": "models.channel_graph.backtrace",
    "models.coordinate_rules": "models.positions.position_rules",
    "models.coordinates": "models.positions.tensor",
    "models.loading": "models.checkpoints",
    "models.moments": "models.frame_times",
    "models.randomness": "models.rng",
    "models.volumes": "models.layouts",
    "one_call": "api",
    "samples.casting": "samples.scenes",
    "samples.figure": "samples.body_shapes",
    "samples.pictures": "samples.preview",
    "samples.rooms": "samples.backgrounds",
    "samples.wardrobe": "samples.clothing",
    "warn": "_warn",
    "widgets.page": "widgets.html",
    "widgets.pyramid_wire": "widgets.wire.pyramid",
    "widgets.view": "widgets.base",
    "widgets.volume": "widgets.ipyvolume_export",
    "writing": "_atomic",
}


class _OldPathFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Find a module under its old path and return the module under its new path."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, old = fullname.partition(".")
        return importlib.machinery.ModuleSpec(fullname, self) if package == _PACKAGE and old in MOVED else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        new = f"{_PACKAGE}.{MOVED[spec.name.partition('.')[2]]}"
        warnings.warn(f"{spec.name} has moved to {new}; import it from there", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        spec.loader_state = module.__spec__  # Python is about to overwrite it
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Let Python find modules under their old paths.

    The finder goes first: the old name of a package stands for the new package, and Python would load that package's
    files a second time under old names.
    """
    if not any(isinstance(finder, _OldPathFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OldPathFinder())
