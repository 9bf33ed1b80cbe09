"""Figures, drawn from records alone, so that any of them can be drawn again later."""
