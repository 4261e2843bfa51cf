"""Every figure of the README comes from a command here: ``make bench``, or ``python -m benchmarks.tubes`` and the like."""
