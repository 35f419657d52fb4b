"""Stage `download`: gets a corpus, checks it, and writes it in one form, whatever the source."""
