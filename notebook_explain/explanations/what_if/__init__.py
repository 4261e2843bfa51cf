"""Results of what-ifs: what edits do to the prediction, and how far a network relies on the order of frames."""
