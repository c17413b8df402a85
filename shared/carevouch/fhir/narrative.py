"""Narrative XHTML (http://hl7.org/fhir/R4/narrative.html): formatting only, and no code that runs.

txt-1 allows the elements and attributes of basic formatting; txt-2 asks for some content. People see a
record's text in a browser and trust it. So scripts, event handlers, forms, frames and odd URL schemes are
refused. Links and pictures may lead elsewhere, as R4 allows. A viewer must not load them by itself.
"""

from xml.parsers import expat

XHTML = "http://www.w3.org/1999/xhtml"
_TAGS = frozenset((
    "a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup",
    "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li",
    "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "tt", "ul", "var",
))  # fmt: skip
_ATTRIBUTES = frozenset((
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding",
    "cellspacing", "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan", "compact",
    "coords", "dir", "frame", "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc",
    "name", "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "span", "src", "start", "style",
    "summary", "tabindex", "title", "type", "valign", "value", "vspace", "width", "xmlns", "xml:lang",
    "xml:space",
))  # fmt: skip
_LINKS = ("href", "src", "cite", "longdesc")
_SCHEMES = ("http:", "https:", "mailto:", "tel:", "data:image/")


def fault(div: str) -> str | None:
    """The first fault of a `Narrative.div`, or None. The sentence never repeats the div."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = reader.no_markup
    try:
        parser.Parse(div.encode("utf-8", "surrogatepass"), True)
    except _Refused as refused:
        return str(refused)
    except expat.ExpatError as error:
        return f"the div is not well-formed XHTML (line {error.lineno})"
    return None if reader.content else "the div has no content (txt-2)"


class _Refused(Exception):
    pass


class _Reader:
    def __init__(self) -> None:
        self.depth = 0
        self.content = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self.depth == 0 and (name != "div" or attributes.get("xmlns") != XHTML):
            raise _Refused(f'the text must be one <div xmlns="{XHTML}">')
        self.depth += 1
        if name not in _TAGS:
            raise _Refused("the div has an element that is not basic formatting (txt-1)")
        if name == "img":
            self.content = True
        for attribute, value in attributes.items():
            if attribute not in _ATTRIBUTES:
                raise _Refused("the div has an attribute that is not basic formatting (txt-1)")
            link = value.strip().lower()
            has_scheme = ":" in link.split("/", 1)[0].split("#", 1)[0]
            if attribute in _LINKS and has_scheme and not link.startswith(_SCHEMES):
                raise _Refused("the div has a link with a scheme other than http, https, mailto or tel")
            if attribute == "xmlns" and value != XHTML:
                raise _Refused("the div leaves the XHTML namespace")

    def text(self, data: str) -> None:
        self.content = self.content or not data.isspace()

    def no_markup(self, *_: object) -> None:
        raise _Refused("the div has a declaration or processing instruction")
