"""Concepts: clusters, ablations, directions, discovery."""
