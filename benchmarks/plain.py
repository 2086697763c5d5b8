"""How a plain program with astropy, numpy and Pillow stores an image: part of what ours is compared with."""

import numpy as np
from astropy.io import fits
from PIL import Image

from datalab.astro.display.stretch import auto_stretch


def write_image(pixels: np.ndarray, header: fits.Header, target: str) -> None:
    """Write an image as FITS with checksums, and as two JPEGs with the display limits and the curve of Datalab."""
    image = fits.ImageHDU(pixels.astype(np.float32), header, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(f"{target}.fits", checksum=True)
    shown = auto_stretch(pixels)
    levels = np.clip((pixels[::-1] - shown.black) / (shown.white - shown.black), 0, 1)
    picture = Image.fromarray((255 * levels ** (1 / shown.gamma)).astype(np.uint8)).convert("RGB")
    picture.save(f"{target}-large.jpg", quality=95)
    picture.thumbnail((200, 200))
    picture.save(f"{target}-small.jpg", quality=95)
