from datalab.platform.objects.links import SignedLinks


class CountingSigner:
    def __init__(self):
        self.signed = []

    def sign_get(self, key, *, content_type=None, filename=None):
        self.signed.append(key)
        return f"{key}?{content_type}&{filename}#{len(self.signed)}"


def links(**options):
    signer, clock = CountingSigner(), [100.0]
    return SignedLinks(links=signer, ttl_s=1000, clock=lambda: clock[0], **options), signer, clock


def test_a_link_is_signed_anew_after_a_tenth_of_its_life():
    signed, signer, clock = links()
    first = signed.sign_get("a", content_type="image/jpeg")
    clock[0] += 100
    assert signed.sign_get("a", content_type="image/jpeg") == first
    clock[0] += 1
    assert signed.sign_get("a", content_type="image/jpeg") != first
    assert signer.signed == ["a", "a"]


def test_another_type_or_name_is_another_link():
    signed, signer, _ = links()
    wanted = [{}, {"content_type": "image/jpeg"}, {"filename": "a.fits"}, {"filename": "b.fits"}]
    assert len({signed.sign_get("a", **each) for each in wanted * 2}) == 4
    assert len(signer.signed) == 4


def test_the_least_used_links_are_forgotten():
    signed, signer, _ = links(capacity=2)
    for key in "abaca":
        signed.sign_get(key)
    assert signer.signed == ["a", "b", "c"]
    signed.sign_get("b")
    assert signer.signed == ["a", "b", "c", "b"]
