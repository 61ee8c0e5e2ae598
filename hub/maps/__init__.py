"""What lies under and beside the units: base maps, site and floor plans, own drawings. docs/maps.md."""
