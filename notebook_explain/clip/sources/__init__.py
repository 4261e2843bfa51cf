"""Sources of frames: video files and folders of images, behind one protocol."""
