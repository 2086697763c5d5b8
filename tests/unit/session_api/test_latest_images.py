"""The newest picture of every site."""

from datalab.documents.frame import UPLOADS_SITE
from session_api.archive.images import ImageService
from session_api.web.user import User
from support.stored_documents import bare_frame


class Frames:
    async def sites(self):
        return ["tst", UPLOADS_SITE]

    async def page(self, proposals, chosen, order, *, limit, fields):
        return [bare_frame().stored()]


class Links:
    def sign_get(self, key, *, content_type):
        return key


async def test_peoples_own_files_are_no_site():
    """They have pictures, and who sees them would take their place for an observatory."""
    service = ImageService(frames=Frames(), links=Links())
    assert list(await service.latest_of_every_site(User("ada", superuser=True))) == ["tst"]
