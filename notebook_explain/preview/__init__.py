"""Previews of clips and samples in a cell: animations, strips of frames, and the markup around them.

They are made of arrays and lines of text. Importing this package imports only numpy; Pillow is imported when something is
drawn.
"""
