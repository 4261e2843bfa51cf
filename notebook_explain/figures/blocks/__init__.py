"""The figure of a block report."""
