"""Files made for somebody to save: FITS, TIFF, archives of files, parts of images."""
