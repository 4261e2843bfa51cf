"""The one error that is nobody's argument."""


class ExplainError(RuntimeError):
    """An explanation could not be made, though every argument was fine: the text says why and what to do."""
