"""Positions: a tensor subclass that carries the clip position of every value through a network."""

from notebook_explain.models.positions import position_rules as position_rules  # fills the table of rules
