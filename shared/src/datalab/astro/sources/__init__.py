"""Sources of an image, found and measured."""
