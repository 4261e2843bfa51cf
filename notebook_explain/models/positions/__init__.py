"""Positions: a tensor subclass that carries the clip position of every value through a network."""

# These modules fill the tables of rules.
from notebook_explain.models.positions import arithmetic as arithmetic
from notebook_explain.models.positions import position_rules as position_rules
from notebook_explain.models.positions import product_rules as product_rules
from notebook_explain.models.positions import recurrence_rules as recurrence_rules
from notebook_explain.models.positions import resampling_rules as resampling_rules
