"""Comparison with captum, pytorch-grad-cam and torch-cam: ``python -m benchmarks.peers``."""
