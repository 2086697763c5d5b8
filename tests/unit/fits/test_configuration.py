"""astropy's settings, looked up once."""

import pytest
from astropy.config import configuration
from astropy.io import fits

from datalab.fits.configuration import remember_settings


@pytest.fixture
def conf():
    before = {item: type(item) for item in fits.conf.values()}
    remember_settings()
    yield fits.conf
    for item, kind in before.items():
        item.__class__ = kind
    fits.conf.reload()


def test_a_setting_is_looked_up_once(conf, monkeypatch):
    looked_up = []
    monkeypatch.setattr(configuration, "get_config", lambda *_, **__: looked_up.append(1) or {})
    assert conf.use_memmap is True
    looked_up.clear()
    assert {conf.use_memmap for _ in range(5)} == {True}
    assert looked_up == []


def test_it_is_set_for_a_while_and_for_good(conf):
    with conf.set_temp("use_memmap", value=False):
        assert conf.use_memmap is False
    assert conf.use_memmap is True
    conf.use_memmap = False
    assert conf.use_memmap is False
    conf.reload("use_memmap")
    assert conf.use_memmap is True


def test_what_it_cannot_be_is_refused(conf):
    with pytest.raises(TypeError):
        conf.use_memmap = "perhaps"
    assert conf.use_memmap is True
