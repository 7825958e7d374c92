"""The software of a national-ID enrollment workstation: core decides, service acts."""
