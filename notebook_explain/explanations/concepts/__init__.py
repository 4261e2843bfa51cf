"""Concepts of a class: parts of its clips that look alike to the network, ranked by what the network loses without them."""
