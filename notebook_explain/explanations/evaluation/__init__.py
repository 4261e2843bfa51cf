"""Results of evaluations: how faithful, sharp and stable the maps of several methods are."""
