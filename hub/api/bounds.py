"""`?bbox=west,south,east,north` of routes that answer with places."""

from typing import Annotated

from fastapi import HTTPException, Query

Box = tuple[float, float, float, float]
Bbox = Annotated[str | None, Query(max_length=80, description="west,south,east,north in degrees")]


def bounds(bbox: str | None) -> Box | None:
    """West, south, east, north; None: everywhere. 422."""
    if bbox is None:
        return None
    try:
        west, south, east, north = (float(part) for part in bbox.split(","))
    except ValueError:
        raise HTTPException(
            422, f"bbox = {bbox[:60]!r}: west,south,east,north in degrees are needed"
        ) from None
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise HTTPException(422, f"bbox = {bbox[:60]!r}: west ≤ east within 180, south ≤ north within 90")
    return west, south, east, north
