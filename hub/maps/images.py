"""What an uploaded plan is, by its first bytes, and how large its picture is. Pure but for `picture`.

PNG and JPEG stay as they are: the browser draws them. PDF and TIFF become PNG in a process of its own, because whoever
made the file may have meant harm, and no file may end the hub. That needs the extra `plans` (pypdfium2, Pillow).
"""

import asyncio
import importlib.util
import struct
import sys
from dataclasses import dataclass

from hub.maps.errors import PlanRefused
from hub.maps.geotiff import ORIENTATION, tags_of
from hub.maps.tile import picture_of

SIDE_PX_MAX = 8_192
"""What a browser's graphics take as one picture."""
PIXELS_MAX = 40_000_000
CONVERT_S = 60.0
PNG_BYTES_MAX = 83_886_080
NEEDS = {"pdf": ("pypdfium2", "PIL"), "tiff": ("PIL",)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """PNG or JPEG with its size as it is drawn."""

    body: bytes
    form: str
    width_px: int
    height_px: int


def form_of(data: bytes) -> str:
    """png, jpeg, pdf or tiff. PlanRefused (422) for anything else, whatever it is called."""
    found = {"image/png": "png", "image/jpeg": "jpeg"}.get(picture_of(data) or "")
    if found:
        return found
    if data[:5] == b"%PDF-":
        return "pdf"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "tiff"
    if data[:4] in (b"II+\0", b"MM\0+"):
        raise PlanRefused(422, "plan: a BigTIFF; a TIFF, PNG, JPEG or PDF is needed")
    raise PlanRefused(422, f"plan: {len(data)} bytes that are no PNG, JPEG, PDF or TIFF")


def missing(form: str) -> list[str]:
    """What has to be installed to read this form."""
    return [name for name in NEEDS.get(form, ()) if importlib.util.find_spec(name) is None]


async def picture(data: bytes, form: str, page: int) -> Picture:
    """The plan's picture. PlanRefused (422) says what is wrong or missing."""
    if form in NEEDS:
        data, form = await _converted(data, form, page), "png"
    width, height = size_of(data, form)
    if not (0 < width <= SIDE_PX_MAX and 0 < height <= SIDE_PX_MAX and width * height <= PIXELS_MAX):
        words = f"plan: {width} × {height} pixels, at most {SIDE_PX_MAX} a side and {PIXELS_MAX} in all are allowed"
        raise PlanRefused(422, words)
    return Picture(data, form, width, height)


async def _converted(data: bytes, form: str, page: int) -> bytes:
    absent = missing(form)
    if absent:
        raise PlanRefused(
            422,
            f"plan: {form.upper()} needs {' and '.join(absent)}, which this hub has not:"
            " install zhantu[plans], or make a PNG of it",
        )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.maps.to_png", form, str(page), stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        made, said = await asyncio.wait_for(child.communicate(data), CONVERT_S)
    except TimeoutError:
        raise PlanRefused(422, f"plan: this {form.upper()} takes longer than {CONVERT_S:.0f} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0 or not made.startswith(b"\x89PNG") or len(made) > PNG_BYTES_MAX:
        last = said.decode(errors="replace").strip().rpartition("\n")[2][:200]
        raise PlanRefused(422, f"plan: this {form.upper()} cannot be drawn ({last or child.returncode})")
    return made


def size_of(data: bytes, form: str) -> tuple[int, int]:
    """Width and height as drawn. **Source:** PNG 3, 11.2.2; ITU-T T.81, B.2.2; Exif 2.32 orientation."""
    if form == "png":
        if len(data) < 24 or data[12:16] != b"IHDR":
            raise PlanRefused(422, "plan: a PNG without its head")
        return struct.unpack_from(">II", data, 16)
    at, turned = 2, False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker in _FRAMES and at + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return (height, width) if turned else (width, height)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            turned = _is_turned(data[at + 10 : at + 2 + length])
        at += 2 + length
    raise PlanRefused(422, "plan: a JPEG without its size")


def _is_turned(exif: bytes) -> bool:
    """Whether browsers draw it with its sides exchanged."""
    try:
        return int(tags_of(exif).get(ORIENTATION, (1,))[0]) >= 5
    except PlanRefused:
        return False
