"""What the station keeps: dossiers, packages, sessions, audit; one SQLite file, durable before it is told."""
