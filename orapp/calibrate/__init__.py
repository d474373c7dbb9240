"""From an unknown video cable to a site profile: what a clip says about the device behind it."""
