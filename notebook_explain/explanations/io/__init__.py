"""Read and write explanations as .npz files: one module per kind, and checks for untrusted files."""
