"""What letters and pages share: plain text, amounts, days, links and phrases per language."""
