"""Where on the sky: coordinates, stars, plate solutions."""
