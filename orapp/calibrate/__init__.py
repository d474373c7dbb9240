"""From an unknown video to a site profile: what a clip says about its device."""
