"""From a complete dossier to the registry's receipt: seal, queue, send, prove."""
