"""Wire format: the plain values that Python sends to the viewers."""
