"""What the hub keeps on disk. The only package that speaks SQL."""
