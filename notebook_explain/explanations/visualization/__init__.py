"""Feature visualization: clips that were made so that a network responds to them, and how they compare with real ones."""
