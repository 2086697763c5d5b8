"""Frames as the API tells of them, page by page; and how they go."""

import httpx
import pytest

from datalab.client import frames
from datalab.client.frames import NoFrameError, each_frame, frames_named, position_of, remove_frame
from datalab.client.rest import ApiRefusedError, Datalab

HERE = "http://127.0.0.1:0"


@pytest.fixture
async def asked():
    """What was asked of the API."""
    return []


@pytest.fixture
async def api(asked, answers):
    async def answer(request):
        asked.append((request.method, request.url.raw_path.decode()))
        return answers(request)

    async with Datalab(HERE, "t") as api:
        await api.http.aclose()
        api.http = httpx.AsyncClient(base_url=f"{HERE}/api/", transport=httpx.MockTransport(answer))
        yield api


def frame(number, name="a"):
    return {"id": number, "basename": f"{name}{number}"}


class TestLists:
    @pytest.fixture
    def answers(self):
        def answer(request):
            params = request.url.params
            if request.url.path == "/api/frames/404/":
                return httpx.Response(404, json={"detail": "Not found."})
            if params.get("basename_exact") == "404":
                return httpx.Response(200, json={"next": None, "results": [frame(404, "")]})
            if "cursor" in params:
                return httpx.Response(200, json={"next": None, "results": [frame(1)]})
            following = f"{HERE}/api/frames/?cursor=a%2Bb%3D&limit=9"
            return httpx.Response(200, json={"next": following, "results": [frame(3), frame(2)]})

        return answer

    async def test_pages_follow_each_other(self, api, asked):
        assert [each["id"] async for each in each_frame(api, site_id="tst")] == [3, 2, 1]
        assert ["cursor=a%2Bb%3D" in path for _, path in asked] == [False, True]
        assert all("site_id=tst" in path for _, path in asked)

    async def test_a_pattern_is_asked_for_by_its_longest_part(self, api, asked):
        assert [each["id"] for each in await frames_named(api, "a[13]*")] == [3, 1]
        assert "basename=13" in asked[0][1]
        with pytest.raises(NoFrameError, match=r"no frame 'b\*'"):
            await frames_named(api, "b*")

    async def test_a_number_may_also_be_a_name(self, api):
        assert (await frames_named(api, "404")) == [frame(404, "")]


class TestRemoval:
    @pytest.fixture
    def answers(self):
        there = [True, True, False]

        def answer(request):
            if request.method == "DELETE":
                if "/7/" in request.url.path and "force" not in request.url.params:
                    return httpx.Response(409, json={"detail": "The frame is in use: session 1."})
                return httpx.Response(202, json={"detail": "The frame is being removed."})
            return httpx.Response(200, json=frame(7)) if there.pop(0) else httpx.Response(404, json={"detail": "no"})

        return answer

    async def test_it_returns_when_the_frame_is_gone(self, api, asked):
        await remove_frame(api, 1, force=False, within_s=60)
        assert asked == [("DELETE", "/api/frames/1/"), *[("GET", "/api/frames/1/")] * 3]

    async def test_one_that_is_in_use_goes_by_force(self, api, asked):
        with pytest.raises(ApiRefusedError) as refused:
            await remove_frame(api, 7, force=False, within_s=60)
        assert refused.value.status == 409
        await remove_frame(api, 7, force=True, within_s=60)
        assert asked[1] == ("DELETE", "/api/frames/7/?force=true")

    async def test_one_that_stays_is_not_waited_for_for_ever(self, api, monkeypatch):
        monkeypatch.setattr(frames, "_FIRST_LOOK_S", 60.0)
        with pytest.raises(TimeoutError):
            await remove_frame(api, 1, force=False, within_s=0.01)


class TestNames:
    @pytest.fixture
    def answers(self):
        def answer(request):
            if b"M%2031" in request.url.raw_path:
                return httpx.Response(200, json={"ra": 10.68, "dec": 41.27})
            return httpx.Response(200, json={"error": "SIMBAD knows no such object."})

        return answer

    async def test_objects(self, api):
        assert await position_of(api, "M 31") == (10.68, 41.27)
        with pytest.raises(NoFrameError, match="SIMBAD knows no such object"):
            await position_of(api, "a/b?")
