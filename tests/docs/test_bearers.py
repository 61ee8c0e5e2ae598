"""docs/bearers.md: its sample configuration loads, names every key, and shows the defaults."""

import re
from dataclasses import fields
from pathlib import Path

from edge.config import MeshConfig, RdssConfig, load

TEXT = Path("docs/bearers.md").read_text(encoding="utf-8")


def test_the_sample_loads_and_shows_every_key_with_its_default(tmp_path: Path) -> None:
    sample = re.findall(r"```toml\n(.*?)```", TEXT, re.S)[0]
    path = tmp_path / "edge.toml"
    path.write_text(f"[device]\nnumber = 7\n{sample}", encoding="utf-8")
    mesh, rdss = load(path).bearers
    assert mesh == MeshConfig()
    assert rdss == RdssConfig(to=166_166)
    for kind in (MeshConfig, RdssConfig):
        assert all(f"\n{spec.name} = " in sample for spec in fields(kind))
