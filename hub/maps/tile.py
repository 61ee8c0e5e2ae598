"""A tile as it is served, and what its bytes are. Pure. Callers: the sources of `hub.maps`, `hub.api.map_routes`."""

from dataclasses import dataclass

TILE_BYTES_MAX = 4_194_304
MVT = "application/x-protobuf"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """`t_old_ms`: when it was fetched, of one that could not be asked for again; None: it is as good as it gets."""

    body: bytes
    media: str
    t_old_ms: int | None = None

    @property
    def is_gzip(self) -> bool:
        return self.body[:2] == b"\x1f\x8b"


def picture_of(body: bytes) -> str | None:
    """The media type of a picture that browsers draw, by its first bytes; None when it is none."""
    for magic, media in _MAGIC:
        if body.startswith(magic):
            return media
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:12] == b"ftypavif":
        return "image/avif"
    return None


def media_of(body: bytes, kind: str) -> str | None:
    """What a tile of this kind is served as; None when it cannot be one: a page of words, say, that a server sends with
    status 200 when it refuses."""
    if kind != "vector":
        return picture_of(body)
    if body[:2] == b"\x1f\x8b":
        return MVT
    # A vector tile is layers (field 3, length-delimited) from its first byte on. **Source:** Mapbox Vector Tile 2.1, 4.
    return MVT if body[:1] == b"\x1a" else None
