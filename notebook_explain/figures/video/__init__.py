"""Videos of tubes as GIF, WebM and MP4 files."""
