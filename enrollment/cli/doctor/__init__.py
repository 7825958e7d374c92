"""enrollctl doctor: what is seen of a station from outside, and what its daemon says of itself."""
