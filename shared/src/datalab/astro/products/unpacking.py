"""Files whose images are tile-compressed, with plain images instead."""

from __future__ import annotations

from astropy.io import fits

#: Of how the packed image was stored and what it summed to.
_OF_PACKING = ("CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM", "FZALGOR", "FZTILE", "FZQMETHD", "FZQVALUE", "FZDTHRSD")
_NO_NAME = "COMPRESSED_IMAGE"


def unpacked_hdus(hdus: fits.HDUList) -> fits.HDUList:
    """Return the HDUs of a file with each packed image as a plain one, in their order.

    An image that was in the primary HDU before it was packed, as its header tells, goes back there.
    """
    made = fits.HDUList()
    for hdu in hdus:
        if not isinstance(hdu, fits.CompImageHDU):
            made.append(hdu)
            continue
        header = hdu.header.copy()
        for keyword in _OF_PACKING:
            header.remove(keyword, ignore_missing=True, remove_all=True)
        if str(header.get("EXTNAME", "")).strip() == _NO_NAME:
            del header["EXTNAME"]
        if "SIMPLE" in header and len(made) == 1 and made[0].data is None:
            made[0] = fits.PrimaryHDU(hdu.data, header)
        else:
            made.append(fits.ImageHDU(hdu.data, header))
    return made
