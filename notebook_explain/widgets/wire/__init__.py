"""The wire format: the plain values that travel from Python to a viewer."""
