"""Judges PDFs as PDF/A-2a and PDF/UA-1 by means that did not make them.

    judge.py FILE...            each must conform
    judge.py --spoil FILE       copies of FILE with one fault each: none may conform
    judge.py --words FILE JSON  every text of the report in JSON that needs no code points can be read out of FILE

Two judges, neither of typst: the rules of the package `page-validation`, and below the few things that a reader notices first, read with pikepdf.
veraPDF, which the PDF Association keeps, is not among the packages that the tests can install.
"""

import io
import json
import sys

import page
import pikepdf
import pypdf
from pikepdf import Name

PROFILES = {"2a": "PDF/A-2a", "ua1": "PDF/UA-1"}


def faults_of_structure(pdf):
    """What the catalogue, the metadata or the fonts lack, as sentences."""
    root = pdf.Root
    with pdf.open_metadata() as xmp:
        for key, wanted in (("pdfaid:part", "2"), ("pdfaid:conformance", "A"), ("pdfuaid:part", "1")):
            if xmp.get(key) != wanted:
                yield f"XMP says {key} = {xmp.get(key)}, not {wanted}"
        for key in ("dc:title", "xmp:CreateDate"):
            if not xmp.get(key):
                yield f"XMP has no {key}"
    if not root.get(Name.Lang):
        yield "no language"
    if not root.get(Name.MarkInfo, {}).get(Name.Marked):
        yield "not marked as tagged"
    if Name.StructTreeRoot not in root:
        yield "no structure tree"
    if not root.get(Name.ViewerPreferences, {}).get(Name.DisplayDocTitle):
        yield "a viewer shows the file's name and not the title"
    if Name.OutputIntents not in root:
        yield "no output intent"
    if not root.get(Name.Outlines, {}).get(Name.First):
        yield "no outline"
    fonts = [thing for thing in pdf.objects if isinstance(thing, pikepdf.Dictionary) and thing.get(Name.Type) == Name.Font]
    if not fonts:
        yield "no font"
    for font in fonts:
        descriptor = font.get(Name.FontDescriptor)
        if descriptor is not None and not {Name.FontFile, Name.FontFile2, Name.FontFile3} & set(descriptor.keys()):
            yield f"{font.get(Name.BaseFont)} is not embedded"
        if font.get(Name.Subtype) == Name.Type0 and Name.ToUnicode not in font:
            yield f"{font.get(Name.BaseFont)} cannot be mapped back to text"
    for number, sheet in enumerate(pdf.pages, 1):
        shown = [it for words, operator in pikepdf.parse_content_stream(sheet) if str(operator) in ("Tj", "TJ") for it in words]
        texts = [text for it in shown for text in (it if isinstance(it, pikepdf.Array) else [it]) if isinstance(text, pikepdf.String)]
        if not texts:
            yield f"page {number} shows no text"
        for text in map(bytes, texts):
            if any(text[at : at + 2] == b"\0\0" for at in range(0, len(text), 2)):
                yield f"page {number} shows a glyph that stands for a missing one"


def kinds(pdf):
    """The kinds of the structure tree's elements."""
    found, open_ = {}, [pdf.Root.get(Name.StructTreeRoot)]
    while open_:
        element = open_.pop()
        if isinstance(element, pikepdf.Array):
            open_.extend(element)
        elif isinstance(element, pikepdf.Dictionary):
            kind = str(element.get(Name.S, ""))
            found[kind] = found.get(kind, 0) + 1
            if Name.K in element:
                open_.append(element.K)
    return found


WHOLE = ("/H1", "/H2", "/P", "/Table", "/TH", "/TD", "/Caption", "/L", "/LI")
# A part of a long report may hold nothing but rows of one table.
PART = ("/H1", "/P", "/Table", "/TH", "/TD")


def lengths_hold(pdf, data):
    """Whether each stream ends where its /Length says."""
    for thing in pdf.objects:
        if isinstance(thing, pikepdf.Stream):
            raw = thing.read_raw_bytes()
            end = data.find(raw) + len(raw)
            if len(raw) != int(thing.get(Name.Length, -1)) or not data[end : end + 12].lstrip(b"\r\n").startswith(b"endstream"):
                return False
    return not pdf.get_warnings()


def faults(data, wanted=WHOLE):
    """All that is wrong with a PDF, as sentences; `wanted` are the kinds of elements that its tags must have."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        for profile, name in PROFILES.items():
            report = page.validate_pdf_bytes(data, profile=profile, limits=page.SafetyLimits.unlimited())
            # The package takes a line feed with which compressed bytes happen to end for one that stands after them; so lengths are counted here.
            counted = [one for one in report.failures if not (one.rule_id == "PDFA2A-STREAM-LENGTH-001" and lengths_hold(pdf, data))]
            yield from (f"{name} {failure.rule_id}: {failure.message}" for failure in counted)
            if not report.is_compliant and not report.failures:
                yield f"{name}: not compliant, and no rule is named"
        yield from faults_of_structure(pdf)
        found = kinds(pdf)
        for kind in wanted:
            if kind not in found:
                yield f"no element of kind {kind} in the structure tree"


def spoiled(data):
    """Copies with one fault each, by name."""
    def without(name, spoil):
        with pikepdf.open(io.BytesIO(data)) as pdf:
            spoil(pdf)
            out = io.BytesIO()
            pdf.save(out)
            return name, out.getvalue()

    def drop(*path):
        def spoil(pdf):
            place = pdf.Root
            for step in path[:-1]:
                place = place[step]
            del place[path[-1]]
        return spoil

    def unmapped(pdf):
        font = next(thing for thing in pdf.objects if isinstance(thing, pikepdf.Dictionary) and Name.ToUnicode in thing)
        del font[Name.ToUnicode]

    def missing_glyph(pdf):
        sheet = pdf.pages[0]
        words = list(pikepdf.parse_content_stream(sheet))
        at = next(at for at, (_, operator) in enumerate(words) if str(operator) == "TJ")
        words[at] = ([pikepdf.Array([pikepdf.String(b"\0\0")])], words[at][1])
        sheet.Contents = pdf.make_stream(pikepdf.unparse_content_stream(words))

    yield without("no language", drop("/Lang"))
    yield without("no structure tree", drop("/StructTreeRoot"))
    yield without("no metadata", drop("/Metadata"))
    yield without("no output intent", drop("/OutputIntents"))
    yield without("file name for title", drop("/ViewerPreferences", "/DisplayDocTitle"))
    yield without("text that cannot be mapped back", unmapped)
    yield without("a missing glyph", missing_glyph)


def texts(report):
    """The runs of a report, those with letters that not every font has left out."""
    if isinstance(report, dict):
        if "run" in report:
            text = report.get("text", "")
            if text.isascii():
                yield text
        else:
            for value in report.values():
                yield from texts(value)
    elif isinstance(report, list):
        for value in report:
            yield from texts(value)


def unread(data, report):
    """The texts of a report that a reader does not find in its PDF; where lines break does not matter."""
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    read = "".join("".join(sheet.extract_text() for sheet in pages).split())
    return sorted({text for text in texts(report) if "".join(text.split()) not in read})


def main(words):
    if words[:1] == ["--words"]:
        report = json.load(open(words[2], encoding="utf-8"))
        lost = unread(open(words[1], "rb").read(), report)
        for text in lost:
            print(f"{words[1]}: cannot be read out of it: {text!r}")
        return bool(lost) or not any(texts(report))
    if words[:1] == ["--spoil"]:
        data = open(words[1], "rb").read()
        passed = [name for name, spoilt in spoiled(data) if not list(faults(spoilt))]
        for name in passed:
            print(f"with this fault it still conforms: {name}")
        return bool(passed)
    bad = False
    for path in words:
        is_part = path.removesuffix(".pdf").rpartition(".")[2].isdigit()
        for number, fault in enumerate(faults(open(path, "rb").read(), PART if is_part else WHOLE)):
            bad = True
            if number < 20:
                print(f"{path}: {fault}")
    return bad or not words


sys.exit(main(sys.argv[1:]))
