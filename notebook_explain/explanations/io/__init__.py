"""Explanations as .npz files: one module per kind, and checks for files that anyone may have written."""
