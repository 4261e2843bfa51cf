"""Videos of tubes as GIF and WebM files."""
