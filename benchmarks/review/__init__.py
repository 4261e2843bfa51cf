"""Check explanations of real architectures with oracles that share no code with the package."""
