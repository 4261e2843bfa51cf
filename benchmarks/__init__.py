"""Commands that measure every figure of the README: ``make bench`` runs all, ``python -m benchmarks.tubes`` one."""
