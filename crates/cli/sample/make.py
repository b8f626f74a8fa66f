#!/usr/bin/env python3
"""Makes the sample exhibits of `custodia demo` from `story.toml` and the pictures of `pictures.py`.

    apt install espeak-ng opus-tools fonts-dejavu-core fonts-dejavu-extra
    pip install pillow==13.0.0 openpyxl==3.1.5 reportlab==5.1.0
    python make.py

Seeds and times are fixed: with the same versions of these tools the same bytes come out.
"""

import csv
import hashlib
import html
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import wave
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.dont_write_bytecode = True
import pictures
from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

HERE = Path(__file__).resolve().parent
PHONE, BANK, INTERVIEW = (HERE / name for name in ("exhibit-1-phone", "exhibit-2-bank", "exhibit-3-interview"))
STORY = tomllib.loads((HERE / "story.toml").read_text(encoding="utf-8"))
NOTE = "Fictional sample of Custodia, CC0. No person, company, account or number in it exists."
PHONE_READ = datetime(2026, 9, 28, 14, 30, tzinfo=timezone(timedelta(hours=2)))
BANK_MADE = datetime(2026, 10, 2, 9, 30, tzinfo=timezone(timedelta(hours=3)))
INTERVIEW_BEGAN = datetime(2026, 10, 6, 10, 5, tzinfo=timezone(timedelta(hours=2)))
BLUE = "#1c4a80"
NO_BREAK = "\u00a0"


def euros(cents):
    """1234567 as -12.345,67: the way of both countries."""
    text = f"{abs(cents) / 100:,.2f}".translate(str.maketrans(",.", ".,"))
    return f"−{text}" if cents < 0 else text


def iban(key):
    return STORY["ibans"].get(key, "")


def spaced(number):
    return " ".join(re.findall(".{1,4}", number))


def assert_invalid(number):
    """No account can have this number: ISO 13616 refuses it (the remainder of 97 is not 1)."""
    assert number[2:4] == "00" and number[4:8] == "FICT", number
    assert int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 != 1, number


# Exhibit 1: the phone


def make_photos():
    drawn = {
        "IMG_20260812_190307.jpg": (pictures.advert, "+03:00", 78, False),
        "IMG_20260829_063058.jpg": (pictures.bus_ticket, "+03:00", 62, True),
        "IMG_20260831_185121.jpg": (pictures.street_door, "+02:00", 62, True),
    }
    for name, (draw, zone, quality, camera) in drawn.items():
        taken = datetime.strptime(name, "IMG_%Y%m%d_%H%M%S.jpg")
        pictures.save(draw(), PHONE / name, taken, zone, quality, camera)


def chat_messages():
    for number, (at, sender, text, *photo) in enumerate(STORY["chat"]["messages"], start=1):
        message = {
            "id": number,
            "type": "message",
            "date": at,
            "date_unixtime": str(int(datetime.fromisoformat(at).timestamp())),
            "from": STORY["people"][sender],
            "from_id": STORY["phones"][sender],
        }
        if photo:
            message |= {"photo": photo[0], "media_type": "image/jpeg"}
        yield message | {"text": text}


def make_chat():
    members = [{"name": STORY["people"][key], "phone": STORY["phones"][key]} for key in STORY["people"]]
    messages = list(chat_messages())
    export = {"about": NOTE, "name": STORY["chat"]["name"], "type": "private_group", "id": 1000000042, "members": members, "messages": messages}
    (PHONE / "chat-export.json").write_text(json.dumps(export, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    tones = dict(zip(STORY["people"].values(), ("me", "recruiter", "manager"), strict=True))
    rows, day = [], ""
    for message in messages:
        at = datetime.fromisoformat(message["date"])
        if day != (day := f"{at:%d.%m.%Y}"):
            rows.append(f'<h2>{day}</h2>')
        body = html.escape(message["text"])
        if name := message.get("photo"):
            body = f'<a href="{name}"><img src="{name}" alt="Photo {name}"></a>' + body
        rows.append(
            f'<article id="m{message["id"]}" class="{tones[message["from"]]}"><b>{html.escape(message["from"])}</b><p>{body}</p>'
            f'<time datetime="{message["date"]}">{at:%H:%M:%S} {message["date"][19:]}</time></article>'
        )
    people = ", ".join(f'{html.escape(m["name"])} ({m["phone"]})' for m in members)
    page = f"""<!DOCTYPE html>
<html lang="ro">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(STORY["chat"]["name"])}</title>
<style>
body {{ margin: 0 auto; max-width: 42rem; padding: 1rem; background: #e9eef2; color: #1e222a; font: 16px/1.4 system-ui, sans-serif; }}
header {{ padding: .5rem 1rem; border-radius: .5rem; background: #fff; }}
h1 {{ margin: 0; font-size: 1.25rem; }}
h2 {{ margin: 1.25rem 0 .5rem; text-align: center; font-size: .85rem; color: #4c5462; }}
article {{ width: fit-content; max-width: 80%; margin: .4rem 0; padding: .5rem .8rem; border-radius: .7rem; background: #fff; }}
article.me {{ margin-left: auto; background: #d8f0d2; }}
article b {{ font-size: .85rem; color: #00595f; }}
article.manager b {{ color: #8a3d00; }}
article p {{ margin: .1rem 0; }}
article img {{ display: block; max-width: 12rem; border-radius: .4rem; }}
time {{ font-size: .75rem; color: #4c5462; }}
</style>
</head>
<body>
<header><h1>{html.escape(STORY["chat"]["name"])}</h1><p>{len(members)} members: {people}. {len(messages)} messages. {NOTE}</p></header>
<main>
{chr(10).join(rows)}
</main>
</body>
</html>
"""
    (PHONE / "chat-export.html").write_text(page, encoding="utf-8")


# Exhibit 2: the bank


def bookings():
    """Each booking with the balance after it."""
    balance = STORY["bank"]["opening_cents"]
    for at, party, key, text, cents in STORY["bank"]["bookings"]:
        balance += cents
        yield at, party, iban(key), text, cents, balance


def make_csv():
    with open(BANK / "transfers.csv", "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\r\n")
        out.writerow(["date", "account", "counterparty", "counterparty_iban", "description", "amount", "currency", "balance"])
        for at, party, number, text, cents, balance in bookings():
            if number:  # card, cash and fees are not transfers
                out.writerow([at, iban("recruiter"), party, number, text, f"{cents / 100:.2f}", "EUR", f"{balance / 100:.2f}"])


def fixed_xlsx(book, values):
    """The workbook as bytes without the time of its making, and with the value of every formula beside it."""
    raw, fixed = io.BytesIO(), io.BytesIO()
    book.save(raw)
    made = f"{BANK_MADE.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name).decode()
            if name == "docProps/core.xml":
                text = re.sub(r"(<dcterms:modified[^>]*>)[^<]*", rf"\g<1>{made}", text)
            for sheet, cells in enumerate(values, start=1):
                if name == f"xl/worksheets/sheet{sheet}.xml":
                    for cell, cents in cells.items():
                        text, count = re.subn(rf'(<c r="{cell}"[^>]*><f>[^<]*</f>)<v ?/?>(</v>)?', rf"\g<1><v>{cents / 100:.2f}</v>", text)
                        assert count == 1, cell
            new.writestr(zipfile.ZipInfo(name, BANK_MADE.timetuple()[:6]), text, zipfile.ZIP_DEFLATED)
    return fixed.getvalue()


def make_xlsx():
    rows = list(bookings())
    opening = STORY["bank"]["opening_cents"]
    bold, white = Font(bold=True), Font(bold=True, color="FFFFFF")
    fill, rule = PatternFill("solid", fgColor=BLUE[1:]), Border(top=Side(style="thin"))
    money = "#,##0.00;[Red]-#,##0.00"

    def head(sheet, row, titles, widths):
        for column, (title, width) in enumerate(zip(titles, widths, strict=True), start=1):
            cell = sheet.cell(row, column, title)
            cell.font, cell.fill, cell.alignment = white, fill, Alignment(horizontal="center")
            sheet.column_dimensions[cell.column_letter].width = width

    def total(sheet, row, title, cells):
        sheet.cell(row, 1, title)
        for column, formula in cells.items():
            sheet[f"{column}{row}"] = formula
            sheet[f"{column}{row}"].number_format = money
        for cell in sheet[row]:
            cell.font, cell.border = bold, rule

    book = Workbook()
    book.properties.creator, book.properties.title = "Banca Exemplu S.A. (fictional)", "Extras de cont"
    book.properties.created, book.properties.description = BANK_MADE.replace(tzinfo=None), NOTE
    sheet = book.active
    sheet.title = "Extras"
    sheet["A1"], sheet["A1"].font = "Banca Exemplu S.A. – Extras de cont 01.08.2026–30.09.2026", Font(bold=True, size=14)
    sheet["A2"], sheet["A3"] = f"{STORY['people']['recruiter']}, {spaced(iban('recruiter'))}, EUR", NOTE
    head(sheet, 5, ["Data", "Contrapartida", "IBAN", "Detalii", "Credit", "Debit", "Sold"], [12, 28, 28, 34, 12, 12, 12])
    sheet["D6"], sheet["G6"] = "Sold inițial", opening / 100
    values = {}
    for row, (at, party, number, text, cents, balance) in enumerate(rows, start=7):
        sheet.cell(row, 1, datetime.fromisoformat(at)).number_format = "dd.mm.yyyy"
        for column, value in ((2, party), (3, number or None), (4, text), (5 if cents > 0 else 6, abs(cents) / 100)):
            sheet.cell(row, column, value)
        sheet.cell(row, 7, f"=G{row - 1}+E{row}-F{row}")
        values[f"G{row}"] = balance
    last = 6 + len(rows)
    for line in sheet.iter_rows(6, last, 5, 7):
        for cell in line:
            cell.number_format = money
    credit, debit = sum(max(r[4], 0) for r in rows), sum(max(-r[4], 0) for r in rows)
    total(sheet, last + 1, "Total", {"E": f"=SUM(E7:E{last})", "F": f"=SUM(F7:F{last})", "G": f"=G6+E{last + 1}-F{last + 1}"})
    values |= {f"E{last + 1}": credit, f"F{last + 1}": debit, f"G{last + 1}": opening + credit - debit}
    sheet.freeze_panes = "A6"
    sheet.page_setup.orientation, sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = "landscape", 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True

    parties = book.create_sheet("Contrapartide")
    head(parties, 1, ["Contrapartida", "Credit", "Debit", "Net"], [30, 14, 14, 14])
    names, sums = sorted({r[1] for r in rows}), {}
    for row, name in enumerate(names, start=2):
        parties.cell(row, 1, name)
        for column, source, sign in (("B", "E", 1), ("C", "F", -1)):
            parties[f"{column}{row}"] = f"=SUMIF(Extras!$B$7:$B${last},A{row},Extras!{source}$7:{source}${last})"
            sums[f"{column}{row}"] = sum(max(sign * r[4], 0) for r in rows if r[1] == name)
        parties[f"D{row}"] = f"=B{row}-C{row}"
        sums[f"D{row}"] = sum(r[4] for r in rows if r[1] == name)
        for cell in parties[row][1:]:
            cell.number_format = money
    end = 1 + len(names)
    total(parties, end + 1, "Total", {column: f"=SUM({column}2:{column}{end})" for column in "BCD"})
    sums |= {f"B{end + 1}": credit, f"C{end + 1}": debit, f"D{end + 1}": credit - debit}
    (BANK / "statement.xlsx").write_bytes(fixed_xlsx(book, [values, sums]))


# PDF


def style(name, **more):
    return ParagraphStyle(name, **({"fontName": "Sans", "fontSize": 9, "leading": 12.5} | more))


TEXT, SMALL, BOLD = style("text"), style("small", fontSize=7.5, leading=9.4, textColor=colors.HexColor("#50565f")), style("bold", fontName="SansBold")
TITLE, NUMBER = style("title", fontName="SansBold", fontSize=15, leading=20), style("number", alignment=TA_RIGHT)
HEAD = style("head", fontName="SansBold", textColor=colors.white)
HEAD_NUMBER = style("head-number", parent=HEAD, fontName="SansBold", textColor=colors.white, alignment=TA_RIGHT)
SECTION = style("section", fontName="SansBold", fontSize=10.5, leading=14, spaceBefore=8, spaceAfter=3)


def write_pdf(path, title, author, letterhead, story):
    """A PDF on A4 with a letterhead, page numbers, and on every page the note that all is invented."""

    def frame(canvas, doc):
        width, height = A4
        canvas.setFillColor(colors.HexColor(BLUE))
        canvas.rect(0, height - 22 * mm, width, 22 * mm, stroke=0, fill=1)
        canvas.setFillColor(colors.white)
        canvas.setFont("SansBold", 14)
        canvas.drawString(22.1 * mm, height - 14.5 * mm, letterhead[0])
        canvas.setFont("Sans", 8.5)
        canvas.drawRightString(width - 22.1 * mm, height - 14 * mm, letterhead[1])
        canvas.setFillColor(colors.HexColor("#50565f"))
        canvas.setFont("Sans", 7)
        canvas.drawString(22.1 * mm, 12 * mm, NOTE)
        canvas.drawRightString(width - 22.1 * mm, 12 * mm, f"{doc.page}")

    SimpleDocTemplate(
        str(path), pagesize=A4, leftMargin=20 * mm, rightMargin=20 * mm, topMargin=30 * mm, bottomMargin=20 * mm,
        title=title, author=author, subject=NOTE, invariant=1,
    ).build(story, onFirstPage=frame, onLaterPages=frame)


def grid(rows, widths, head=True, foot=False):
    look = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor("#c8cdd4")),
    ]
    if head:
        look.append(("BACKGROUND", (0, 0), (-1, 0), colors.HexColor(BLUE)))
    if foot:
        look.append(("BACKGROUND", (0, -1), (-1, -1), colors.HexColor("#e8edf3")))
    return Table(rows, [w * mm for w in widths], repeatRows=int(head), style=TableStyle(look), hAlign="LEFT")


def make_statement():
    rows, opening = list(bookings()), STORY["bank"]["opening_cents"]
    lines = [[Paragraph("Data", HEAD), Paragraph("Contrapartida și detalii", HEAD), Paragraph("Sumă EUR", HEAD_NUMBER), Paragraph("Sold EUR", HEAD_NUMBER)]]
    lines.append(["", Paragraph("Sold inițial", BOLD), "", Paragraph(euros(opening), NUMBER)])
    for at, party, number, text, cents, balance in rows:
        details = f"{text} · {spaced(number).replace(' ', NO_BREAK)}" if number else text
        day = f"{datetime.fromisoformat(at):%d.%m.%Y}"
        amounts = [Paragraph(euros(cents), NUMBER), Paragraph(euros(balance), NUMBER)]
        lines.append([Paragraph(day, TEXT), [Paragraph(party, BOLD), Paragraph(details, SMALL)], *amounts])
    credit, debit = sum(max(r[4], 0) for r in rows), sum(max(-r[4], 0) for r in rows)
    lines.append(["", Paragraph("Sold final", BOLD), "", Paragraph(f'<font name="SansBold">{euros(rows[-1][5])}</font>', NUMBER)])
    facts = [
        ["Titular", STORY["people"]["recruiter"]], ["IBAN", spaced(iban("recruiter"))], ["Perioada", "01.08.2026 – 30.09.2026"],
        ["Total credit / debit", f"{euros(credit)} EUR / {euros(debit)} EUR"], ["Emis la", f"{BANK_MADE:%d.%m.%Y %H:%M} (UTC+03:00)"],
    ]
    story = [
        Paragraph("Extras de cont", TITLE), Spacer(1, 4),
        grid([[Paragraph(k, BOLD), Paragraph(v, TEXT)] for k, v in facts], (45, 121), head=False), Spacer(1, 8),
        grid(lines, (24, 88, 27, 27), foot=True), Spacer(1, 8),
        Paragraph("Emis la cererea autorității judiciare, cu respectarea secretului bancar. Document generat electronic, valabil fără semnătură.", SMALL),
    ]
    letterhead = ("Banca Exemplu S.A.", "Exemplești · banca.example.org")
    write_pdf(BANK / "statement.pdf", "Extras de cont (fictional)", "Banca Exemplu S.A. (fictional)", letterhead, story)


# Exhibit 3: the interview


def make_recording():
    """Speaks the parts one after another; returns begin and end of each in seconds."""
    frames, spans, rate, at = b"", [], 22050, 0.3
    silence = lambda seconds: b"\0\0" * round(rate * seconds)
    frames += silence(at)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        for _, voice, words in STORY["interview"]["parts"]:
            subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-g", "2", "-w", wav, words], check=True)
            with wave.open(str(wav)) as part:
                assert (part.getframerate(), part.getnchannels(), part.getsampwidth()) == (rate, 1, 2)
                speech = part.readframes(part.getnframes())
            spans.append((at, at + len(speech) / 2 / rate))
            frames += speech + silence(0.6)
            at = len(frames) / 2 / rate
        with wave.open(str(wav), "wb") as whole:
            whole.setnchannels(1), whole.setsampwidth(2), whole.setframerate(rate), whole.writeframes(frames)
        labels = ["--title", "Interview, fictional sample", "--date", f"{INTERVIEW_BEGAN:%Y-%m-%d}", "--comment", f"DESCRIPTION={NOTE}"]
        subprocess.run(["opusenc", "--quiet", "--serial", "42", "--bitrate", "32", *labels, wav, INTERVIEW / "interview.opus"], check=True)
    return spans


def make_transcript(spans):
    lines = [
        "TRANSCRIPT OF interview.opus", NOTE, "",
        f"Recording begun {INTERVIEW_BEGAN.isoformat()}. Spoken through an interpreter; the English of the interpreter is written down.",
        "Voices are synthetic. Times are minutes:seconds from the start of the recording.", "",
    ]
    for (speaker, _, words), (begin, end) in zip(STORY["interview"]["parts"], spans, strict=True):
        lines.append(f"[{begin // 60:02.0f}:{begin % 60:04.1f} – {end // 60:02.0f}:{end % 60:04.1f}] {speaker}: {words}")
    lines += ["", "End of the recording.", ""]
    (INTERVIEW / "transcript.txt").write_text("\n".join(lines), encoding="utf-8")


def make_protocol(spans):
    recording = (INTERVIEW / "interview.opus").read_bytes()
    digest = hashlib.sha256(recording).hexdigest()
    facts = [
        ["Case", "JIT-FICT-2026-0000 (Netherlands and Romania)"], ["Exhibit", "NL-2026-0000-003"],
        ["Person heard", f"{STORY['people']['witness']}, adult, as a witness and presumed victim"],
        ["Heard by", "M. Verzonnen, specialised prosecutor, Parket Voorbeeldstad (fictional)"],
        ["Present", "R. Tălmaciu-Fictiv, interpreter Romanian–English; A. Bijstand, counsel of the witness"],
        ["Place", "Interview room 0, Parket Voorbeeldstad, Denkbeeldplein 0"],
        ["Begun and ended", f"{INTERVIEW_BEGAN:%d.%m.%Y, %H:%M} – 10:20 (UTC+02:00), no break"],
        ["Recorder", "Fictivox R1, serial FX-0000-0077; clock checked against a time server at 09:58, deviation +1 s"],
        ["Recording", f"interview.opus, {len(recording):,} bytes, {spans[-1][1]:.0f} s (the part with the statement)"],
        ["SHA-256", f'<font name="Mono" size="7.2">{digest}</font>'],
    ]
    signers = (("M. Verzonnen", "prosecutor"), ("I. Exemplu", "witness"), ("R. Tălmaciu-Fictiv", "interpreter"))
    cells = [Paragraph(f"{name}<br/><font size='7.5'>{role} · specimen, not signed</font>", TEXT) for name, role in signers]
    rule = TableStyle([("LINEABOVE", (0, 0), (-1, 0), 0.6, colors.HexColor("#50565f"))])
    signatures = Table([cells], [55.3 * mm] * 3, style=rule, hAlign="LEFT")
    story = [
        Paragraph("Protocol of a recorded interview", TITLE), Spacer(1, 4),
        grid([[Paragraph(k, BOLD), Paragraph(v, TEXT)] for k, v in facts], (36, 130), head=False),
        *(part for title, text in STORY["interview"]["protocol"] for part in (Paragraph(title, SECTION), Paragraph(text, TEXT))),
        Spacer(1, 34), signatures,
    ]
    letterhead = ("Parket Voorbeeldstad", "Denkbeeldplein 0 · parket.example.org")
    write_pdf(INTERVIEW / "interview-protocol.pdf", "Protocol of a recorded interview (fictional)", "Parket Voorbeeldstad (fictional)", letterhead, story)


def set_times():
    """Sets modified times to those that the files would have had; a checkout does not keep them."""
    for path in sorted(PHONE.iterdir()) + sorted(BANK.iterdir()) + sorted(INTERVIEW.iterdir()):
        made = {PHONE: PHONE_READ, BANK: BANK_MADE, INTERVIEW: INTERVIEW_BEGAN + timedelta(minutes=15)}[path.parent]
        if path.suffix == ".jpg":
            zone = timezone(timedelta(hours=2 if "20260831" in path.name else 3))
            made = datetime.strptime(path.name, "IMG_%Y%m%d_%H%M%S.jpg").replace(tzinfo=zone)
        os.utime(path, (made.timestamp(), made.timestamp()))


def main():
    for number in STORY["ibans"].values():
        assert_invalid(number)
    for folder in (PHONE, BANK, INTERVIEW):
        folder.mkdir(exist_ok=True)
    rl_config.invariant = 1
    for name, file in (("Sans", "DejaVuSans"), ("SansBold", "DejaVuSans-Bold"), ("Mono", "DejaVuSansMono")):
        pdfmetrics.registerFont(TTFont(name, pictures.FONTS / f"{file}.ttf"))
    pdfmetrics.registerFontFamily("Sans", normal="Sans", bold="SansBold", italic="Sans", boldItalic="SansBold")
    make_photos()
    make_chat()
    make_csv()
    make_xlsx()
    make_statement()
    spans = make_recording()
    make_transcript(spans)
    make_protocol(spans)
    set_times()


if __name__ == "__main__":
    main()
