"""Block reports as values: frame signals, labelled values and tables that network modules report."""
