import pytest

from operation_runner.stars.votable import BadTableError, check_table

FIELDS = '<FIELD name="ra" datatype="double"/><FIELD name="dec" datatype="double"/>'
STATUS = '<INFO name="QUERY_STATUS" value="OK"/>'


def document(*, status=STATUS, fields=FIELDS, declaration="", after=""):
    return (
        f'<?xml version="1.0"?>{declaration}<VOTABLE><RESOURCE type="results">{status}<TABLE>{fields}<DATA><TABLEDATA>'
        f"<TR><TD>1</TD><TD>2</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>{after}"
    ).encode()


def check(content):
    check_table(content, columns={"ra", "dec"})


@pytest.mark.parametrize("status", [STATUS, "", STATUS + '<INFO name="QUERY_STATUS" value="OVERFLOW"/>'])
def test_an_answer_passes(status):
    check(document(status=status, after="\n"))


def test_elements_may_have_a_namespace_prefix():
    check(b'<v:VOTABLE xmlns:v="x"><v:FIELD name="ra"/><v:FIELD name="dec"/></v:VOTABLE>')


def test_further_columns_do_no_harm():
    check_table(document(), columns={"ra"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no complete XML"),
        (b"\x00\x01\x02", "no complete XML"),
        (b"ra,dec\n1,2\n", "no complete XML"),
        (document(after="<more/>"), "no complete XML"),
        (document()[:-4], "no complete XML"),
        (b"<html><VOTABLE/></html>", "no VOTable"),
        (document(status=STATUS.replace("OK", "ERROR")), "an error instead of stars"),
        (document(fields=FIELDS[: len(FIELDS) // 2]), "without the columns"),
        (b"<VOTABLE/>", "without the columns"),
        (document(declaration='<!DOCTYPE V [<!ENTITY a "aaaa">]>'), "entities"),
    ],
)
def test_anything_else_is_refused_with_the_reason(content, reason):
    with pytest.raises(BadTableError, match=reason):
        check(content)
