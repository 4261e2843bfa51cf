"""GIF and WebM files of a clip with its evidence."""
