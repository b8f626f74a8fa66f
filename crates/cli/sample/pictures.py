"""The three pictures of exhibit 1, drawn with Pillow: a bus ticket on a table, a street door, a screenshot of an advert."""

import random
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

FONTS = Path("/usr/share/fonts/truetype/dejavu")
PHONE = {"make": "Fictiphone", "model": "F1", "software": "FictiOS 4.2"}


def font(size, style="Sans"):
    return ImageFont.truetype(FONTS / f"DejaVu{style}.ttf", size)


def noise(size, seed, spread):
    """Grey grain around 128: what a sensor adds, from a fixed seed."""
    grain = Image.frombytes("L", size, random.Random(seed).randbytes(size[0] * size[1]))
    return grain.point(lambda v: 128 + (v - 128) * spread // 128)


def grained(image, seed, spread):
    grain = noise(image.size, seed, spread)
    return ImageChops.add(image, Image.merge("RGB", [grain] * 3), 1, -128)


def glow(image, centre, radius, colour):
    """Adds soft light of a colour around a point."""
    light = Image.new("RGB", image.size)
    (x, y) = centre
    ImageDraw.Draw(light).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return ImageChops.add(image, light.filter(ImageFilter.GaussianBlur(radius // 2)))


def vignette(image, strength):
    shade = Image.radial_gradient("L").resize(image.size).point(lambda v: 255 - max(0, v - 90) * strength // 165)
    return ImageChops.multiply(image, Image.merge("RGB", [shade] * 3))


def save(image, path, taken, zone, quality, camera=True):
    """Writes a JPEG with the Exif times of the phone's own clock."""
    exif = Image.Exif()
    stamp = taken.strftime("%Y:%m:%d %H:%M:%S")
    exif[0x010F], exif[0x0110], exif[0x0131] = PHONE["make"], PHONE["model"], PHONE["software"]
    exif[0x0132] = stamp  # DateTime
    exif[0x010E] = "Fictional sample, CC0"  # ImageDescription
    details = exif.get_ifd(0x8769)
    details[0x9003] = details[0x9004] = stamp  # DateTimeOriginal, DateTimeDigitized
    details[0x9010] = details[0x9011] = details[0x9012] = zone  # their offsets from UTC
    if camera:
        details[0x829A], details[0x829D], details[0x8827], details[0x920A] = (1, 60), 1.8, 320, 4.2  # exposure, aperture, ISO, focal length
    image.save(path, "JPEG", quality=quality, optimize=True, exif=exif)


def bus_ticket():
    """A paper ticket on a wooden table."""
    rng = random.Random(1)
    size = (1280, 960)
    table = Image.new("RGB", size, (122, 84, 54))
    draw = ImageDraw.Draw(table)
    for board in range(6):
        tone = rng.randrange(-12, 13)
        top = board * 164
        draw.rectangle((0, top, 1280, top + 160), fill=(122 + tone, 84 + tone, 54 + tone))
        for _ in range(60):  # the grain of one board
            y, x, dark = top + rng.randrange(4, 158), rng.randrange(-200, 1200), rng.randrange(6, 22)
            draw.line((x, y, x + rng.randrange(200, 900), y + rng.randrange(-4, 5)), fill=(122 + tone - dark, 84 + tone - dark, 54 + tone - dark), width=2)
        draw.line((0, top + 162, 1280, top + 162), fill=(58, 38, 24), width=5)
    table = table.filter(ImageFilter.GaussianBlur(1.2))

    ticket = Image.new("RGB", (1600, 800), (244, 240, 226))
    draw = ImageDraw.Draw(ticket)
    ink, blue, pale = (38, 38, 48), (28, 74, 128), (120, 124, 134)
    draw.rectangle((0, 0, 1600, 128), fill=blue)
    draw.text((48, 64), "EXEMPLU BUS", font=font(62, "Sans-Bold"), fill="white", anchor="lm")
    draw.text((1552, 64), "BILET · TICKET", font=font(40), fill="white", anchor="rm")
    fields = [
        (48, 170, "DE LA / FROM", "Exemplești, autogara"), (48, 300, "LA / TO", "Voorbeeldstad, busstation"),
        (48, 430, "PLECARE / DEPARTURE", "29.08.2026   06:45"), (48, 560, "PASAGER / PASSENGER", "I. EXEMPLU"),
        (720, 430, "SOSIRE / ARRIVAL", "30.08.2026  15:20"), (720, 560, "LOC / SEAT", "17"), (890, 560, "PREȚ / FARE", "95,00 EUR"),
    ]
    for x, y, label, value in fields:
        draw.text((x, y), label, font=font(26), fill=pale)
        draw.text((x, y + 36), value, font=font(46, "SansMono-Bold"), fill=ink)
    draw.line((48, 712, 1180, 712), fill=pale, width=2)
    draw.text((48, 732), "Nr. 0000-0042 · specimen fictiv, fără valoare · fictional specimen", font=font(26), fill=pale)
    for y in range(140, 800, 24):  # perforation
        draw.ellipse((1232, y, 1242, y + 10), fill=(190, 184, 166))
    x = 1300
    while x < 1530:  # bar code, turned
        width = rng.choice((4, 4, 8, 12))
        draw.rectangle((x, 180, x + width, 600), fill=ink)
        x += width + rng.choice((4, 8))
    draw.text((1416, 640), "0000 0042", font=font(36, "SansMono"), fill=ink, anchor="mm")
    draw.text((1416, 720), "LOC 17", font=font(56, "Sans-Bold"), fill=blue, anchor="mm")
    fold = Image.new("L", ticket.size, 255)
    ImageDraw.Draw(fold).line((640, 0, 634, 800), fill=205, width=10)
    ticket = ImageChops.multiply(ticket, Image.merge("RGB", [fold.filter(ImageFilter.GaussianBlur(7))] * 3))

    mask = Image.new("L", ticket.size, 255)
    placed = [layer.resize((1060, 530), Image.LANCZOS).rotate(6, Image.BICUBIC, expand=True) for layer in (ticket, mask)]
    at = ((1280 - placed[0].width) // 2, (960 - placed[0].height) // 2)
    shadow = Image.new("L", size)
    shadow.paste(placed[1], (at[0] + 12, at[1] + 18))
    shadow = shadow.filter(ImageFilter.GaussianBlur(14)).point(lambda v: v * 6 // 10)
    table.paste((20, 12, 6), mask=shadow)
    table.paste(placed[0], at, placed[1])
    return grained(vignette(table, 120), 11, 7)


def street_door():
    """The door of a terraced house at dusk: number 0, no name on the bell."""
    rng = random.Random(2)
    wall = Image.new("RGB", (1920, 2560), (92, 80, 76))
    draw = ImageDraw.Draw(wall)
    for row in range(54):
        for column in range(-1, 14):
            x, y, tone = column * 152 + (row % 2) * 76, row * 44, rng.randrange(-14, 15)
            draw.rectangle((x + 4, y + 4, x + 148, y + 40), fill=(128 + tone, 70 + tone, 56 + tone))
    draw.rectangle((0, 2250, 1920, 2560), fill=(96, 98, 102))  # pavement
    for x in range(-100, 1920, 320):
        draw.line((x + 160, 2250, x, 2560), fill=(74, 76, 80), width=6)
    draw.line((0, 2390, 1920, 2390), fill=(74, 76, 80), width=6)
    draw.rectangle((500, 2190, 1420, 2270), fill=(138, 138, 134))  # step
    draw.rectangle((500, 2190, 1420, 2206), fill=(164, 164, 158))

    draw.rectangle((540, 330, 1380, 2192), fill=(214, 208, 192))  # frame
    draw.rectangle((580, 370, 1340, 640), fill=(52, 60, 70))  # window above
    draw.rectangle((590, 380, 1330, 630), fill=(226, 184, 110))
    for x in (770, 960, 1150):
        draw.rectangle((x - 8, 370, x + 8, 640), fill=(214, 208, 192))
    draw.rectangle((580, 690, 1340, 2192), fill=(30, 68, 62))  # leaf
    for box in ((660, 780, 920, 1330), (1000, 780, 1260, 1330), (660, 1560, 920, 2080), (1000, 1560, 1260, 2080)):
        draw.rectangle(box, fill=(24, 56, 51))
        draw.line((box[0], box[3], box[0], box[1], box[2], box[1]), fill=(14, 38, 34), width=10)
        draw.line((box[2], box[1], box[2], box[3], box[0], box[3]), fill=(58, 102, 94), width=10)
    draw.rounded_rectangle((810, 1410, 1110, 1476), 12, fill=(176, 146, 84))  # letter slot
    draw.rounded_rectangle((832, 1428, 1088, 1458), 6, fill=(60, 50, 32))
    draw.ellipse((1272, 1410, 1326, 1464), fill=(196, 166, 98))  # knob
    draw.ellipse((1284, 1418, 1306, 1440), fill=(236, 214, 156))

    draw.rounded_rectangle((1470, 1090, 1640, 1260), 14, fill=(22, 38, 92), outline="white", width=8)
    draw.text((1555, 1175), "0", font=font(124, "Sans-Bold"), fill="white", anchor="mm")
    draw.rounded_rectangle((1490, 1340, 1620, 1560), 12, fill=(184, 184, 178))  # bell with an empty name plate
    draw.ellipse((1525, 1370, 1585, 1430), fill=(60, 60, 62))
    draw.rectangle((1506, 1466, 1604, 1520), fill=(240, 238, 228))
    draw.rounded_rectangle((84, 470, 454, 600), 10, fill=(22, 38, 92), outline="white", width=8)
    draw.text((269, 535), "Denkbeeldstraat", font=font(34, "Sans-Bold"), fill="white", anchor="mm")
    draw.polygon(((1500, 640), (1610, 640), (1590, 820), (1520, 820)), fill=(255, 232, 176))  # lamp
    draw.rectangle((1490, 610, 1620, 644), fill=(36, 36, 38))
    draw.rectangle((1516, 818, 1594, 836), fill=(36, 36, 38))

    dusk = ImageChops.multiply(wall, Image.new("RGB", wall.size, (186, 190, 214)))
    dusk = glow(dusk, (1555, 740), 420, (120, 88, 40))
    dusk = glow(dusk, (960, 505), 460, (60, 42, 16))
    photo = dusk.resize((960, 1280), Image.LANCZOS).rotate(-1.2, Image.BICUBIC).crop((24, 24, 936, 1240))
    return grained(vignette(photo, 130), 12, 9)


def advert():
    """A screenshot: an advert for work in a hotel, as seen in a phone's browser."""
    page = Image.new("RGB", (1080, 2160), (246, 247, 249))
    draw = ImageDraw.Draw(page)
    ink, grey, accent = (30, 34, 42), (104, 110, 122), (0, 102, 110)
    draw.rectangle((0, 0, 1080, 84), fill="white")
    draw.text((48, 44), "19:03", font=font(36, "Sans-Bold"), fill=ink, anchor="lm")
    draw.rounded_rectangle((944, 28, 1016, 60), 8, outline=ink, width=4)
    draw.rectangle((952, 36, 994, 52), fill=ink)
    for bar in range(4):
        draw.rectangle((860 + bar * 18, 58 - 8 * bar, 872 + bar * 18, 60), fill=ink)
    draw.rectangle((0, 84, 1080, 204), fill="white")
    draw.rounded_rectangle((40, 104, 1040, 184), 40, fill=(234, 237, 241))
    draw.text((540, 144), "locuri-de-munca.example.org", font=font(36), fill=grey, anchor="mm")
    draw.rectangle((0, 204, 1080, 330), fill=accent)
    draw.text((48, 267), "LocuriExemplu", font=font(54, "Sans-Bold"), fill="white", anchor="lm")
    draw.text((1032, 267), "Cont", font=font(38), fill="white", anchor="rm")

    draw.rounded_rectangle((40, 370, 1040, 1960), 28, fill="white", outline=(220, 224, 230), width=3)
    for y in range(370, 900):  # the sky, the sea, the dune, the hotel
        t = (y - 370) / 530
        draw.line((43, y, 1037, y), fill=(int(120 + 110 * t), int(180 + 40 * t), int(226 - 10 * t)))
    draw.ellipse((760, 440, 880, 560), fill=(255, 236, 170))
    draw.rectangle((43, 740, 1037, 900), fill=(64, 128, 158))
    draw.polygon(((43, 900), (43, 800), (300, 770), (620, 776), (1037, 760), (1037, 900)), fill=(222, 204, 156))
    draw.rectangle((240, 520, 700, 800), fill=(248, 246, 240))
    draw.polygon(((220, 520), (470, 440), (720, 520)), fill=(176, 84, 66))
    for row in range(3):
        for column in range(6):
            x, y = 268 + column * 70, 546 + row * 76
            draw.rectangle((x, y, x + 42, y + 50), fill=(94, 140, 170), outline=(226, 222, 210), width=4)
    draw.rectangle((440, 728, 500, 800), fill=(120, 74, 52))
    draw.rectangle((376, 478, 564, 516), fill=(248, 246, 240))
    draw.text((470, 498), "HOTEL FICTIEF", font=font(20, "Sans-Bold"), fill=(60, 60, 60), anchor="mm")
    draw.rectangle((43, 896, 1037, 900), fill="white")

    draw.text((84, 944), "Camerist/ă la hotel\nîn Olanda", font=font(66, "Sans-Bold"), fill=ink, spacing=14)
    draw.text((84, 1130), "Voorbeeldstad (NL) · publicat 03.08.2026", font=font(34), fill=grey)
    draw.rounded_rectangle((84, 1196, 560, 1286), 18, fill=(226, 242, 240))
    draw.text((322, 1241), "1.450 € net / lună", font=font(42, "Sans-Bold"), fill=accent, anchor="mm")
    for line, text in enumerate(("Cazare inclusă, aproape de mare", "Transport plătit de angajator", "40 de ore pe săptămână", "Fără experiență, fără limba olandeză", "Contract la fața locului")):
        y = 1350 + line * 66
        draw.line((90, y + 20, 102, y + 34, 126, y + 4), fill=accent, width=7)
        draw.text((152, y + 20), text, font=font(38), fill=ink, anchor="lm")
    draw.text((84, 1700), "Contact: Mihai F. · +40-000-000-034", font=font(36), fill=grey)
    draw.rounded_rectangle((84, 1780, 996, 1900), 60, fill=accent)
    draw.text((540, 1840), "Scrie un mesaj", font=font(46, "Sans-Bold"), fill="white", anchor="mm")
    draw.text((540, 2030), "Anunț fictiv · ref. A-0001 · fictional specimen", font=font(30), fill=grey, anchor="mm")
    draw.rounded_rectangle((390, 2120, 690, 2132), 6, fill=ink)
    return page.resize((810, 1620), Image.LANCZOS)
