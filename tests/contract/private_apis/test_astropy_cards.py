"""What our readers of headers know about astropy's cards beyond what it promises."""

from astropy.io import fits

TEXT = "OBJECT  = 'M 31'".ljust(80)


def test_a_card_keeps_its_text_until_it_is_changed():
    header = fits.Header.fromstring(TEXT)
    (card,) = header.cards
    assert (card._image, card._modified) == (TEXT, False)
    assert header["OBJECT"] == "M 31"  # reading changes nothing
    assert (card._image, card._modified) == (TEXT, False)
    header["OBJECT"] = "M 33"
    assert header.cards[0]._modified


def test_a_card_of_ours_has_no_text_before_it_is_asked_for():
    assert fits.Card("OBJECT", "M 31")._image is None


def test_cards_that_go_on_are_one_text():
    header = fits.Header({"LONG": "x" * 200})
    (card,) = fits.Header.fromstring(header.tostring()).cards
    assert len(card._image) == 3 * 80
