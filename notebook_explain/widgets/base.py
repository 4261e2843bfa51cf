"""What every view has in common: when it is closed, nothing of it stays in the kernel."""

from __future__ import annotations

import anywidget


class View(anywidget.AnyWidget):
    """A widget that takes the layout that came with it along when it goes."""

    def close(self) -> None:
        """Close the widget and its layout: nothing of it stays in the kernel."""
        layout = getattr(self, "layout", None)
        super().close()
        if layout is not None:
            layout.close()
