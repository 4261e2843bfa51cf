"""The documentation site: execute the tutorials, write the live pages of the gallery, build, and check the result."""
