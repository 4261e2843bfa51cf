"""Concepts of a class: discovery, ablation, significance, and the concepts of a new clip."""

from notebook_explain.methods.concepts.explainer import ConceptDiscovery

__all__ = ["ConceptDiscovery"]
