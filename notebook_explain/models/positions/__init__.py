"""Positions: a tensor subclass that follows each clip position through a network."""
