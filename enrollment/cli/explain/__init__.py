"""One page of how an impression becomes a template: every stage of extraction, drawn and captioned."""
