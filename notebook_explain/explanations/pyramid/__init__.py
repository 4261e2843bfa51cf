"""Class feature pyramids as values: units, edges, rows; pruning, export, text."""
