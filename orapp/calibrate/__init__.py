"""From an unknown video cable to a site profile: what a picture says about the device behind it."""
