"""Table of networks and explainers: what works, what works with a note, and what is refused, by real runs."""
