"""Email triage: answers with vetted text, or hands over to a team, and can say why."""
