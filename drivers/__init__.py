"""Turn a wire into frames. Nothing here knows of people or dossiers."""
