"""`python -m hub.maps.to_png pdf|tiff PAGE`: a document on standard input, a PNG on standard output.

A process of its own with little memory and time, so that a file that breaks it breaks nothing else. Needs the extra
`plans`. Exit code 1 and words on standard error when it cannot. Caller: `hub.maps.images`.
"""

import io
import resource
import sys

MEMORY_BYTES_MAX = 2 * 1024**3
CPU_S_MAX = 50
SIDE_PX_MAX = 8_192
PIXELS_MAX = 40_000_000
DPI = 200
_POINTS_PER_INCH = 72


def main(form: str, page: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    data = sys.stdin.buffer.read()
    try:
        made = _pdf(data, page) if form == "pdf" else _tiff(data, page)
    except Exception as err:  # noqa: BLE001 - a library's errors are many, and all mean that it cannot be drawn
        print(f"{type(err).__name__}: {err}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(made)
    return 0


def _pdf(data: bytes, page: int) -> bytes:
    """One page at 200 dots an inch, fewer when it is large."""
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    if not 1 <= page <= len(document):
        raise ValueError(f"page {page} of {len(document)}")
    sheet = document[page - 1]
    width, height = sheet.get_size()
    scale = min(
        DPI / _POINTS_PER_INCH, SIDE_PX_MAX / max(width, height), (PIXELS_MAX / (width * height)) ** 0.5
    )
    return _png(sheet.render(scale=scale * 0.999).to_pil())


def _tiff(data: bytes, page: int) -> bytes:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = PIXELS_MAX
    picture = Image.open(io.BytesIO(data), formats=["TIFF"])
    picture.seek(page - 1)
    if picture.width * picture.height > PIXELS_MAX or max(picture.size) > SIDE_PX_MAX:
        raise ValueError(f"{picture.width} × {picture.height} pixels")
    return _png(picture if picture.mode in ("RGB", "RGBA", "L") else picture.convert("RGBA"))


def _png(picture: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=False)  # type: ignore[attr-defined]
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
