"""Narratives are formatting only."""

import pytest

from carevouch.fhir.narrative import XHTML, fault


def div(inner: str, attributes: str = "") -> str:
    return f'<div xmlns="{XHTML}"{attributes}>{inner}</div>'


@pytest.mark.parametrize(
    "text",
    [
        div("x"),
        div("<p>a <b>b</b><br/></p><table><tr><td colspan='2'>x</td></tr></table>"),
        div("<a href='https://example.org'>x</a>"),
        div("<a href='#top'>x</a>"),
        div("<img src='data:image/png;base64,AA==' alt='x'/>"),
        div("a &lt; b &#233;", ' xml:lang="en" lang="en"'),
        div("<a href='page:1/x' title='t'>x</a>".replace("page:1/x", "a/b:c")),
    ],
)
def test_formatting_is_accepted(text: str) -> None:
    assert fault(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "",
        "<div>x</div>",
        f'<p xmlns="{XHTML}">x</p>',
        div(""),
        div("  <p> </p>"),
        div("<script>x</script>"),
        div("<SCRIPT>x</SCRIPT>"),
        div("<p onclick='x'>x</p>"),
        div("<a href='javascript:x'>x</a>"),
        div("<a href=' JavaScript:x'>x</a>"),
        div("<a href='&#106;avascript:x'>x</a>"),
        div("<a href='java&#10;script:x'>x</a>"),
        div("<img src='data:text/html;base64,AA=='/>"),
        div("<iframe src='https://example.org'>x</iframe>"),
        div("<form>x</form>"),
        div("<svg xmlns='http://www.w3.org/2000/svg'>x</svg>"),
        div("<b xmlns='http://www.w3.org/2000/svg'>x</b>"),
        div("<p>x"),
        div("&nbsp;"),
        div("x") + div("y"),
        div("<?php x ?>x"),
        f'<!DOCTYPE div [<!ENTITY a "b">]>{div("&a;")}',
        div("\ud800"),
    ],
)
def test_all_other_markup_is_refused_with_a_reason(text: str) -> None:
    message = fault(text)
    assert message
    assert "example.org" not in message
