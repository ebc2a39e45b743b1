"""What a study leaves: tables, pictures and models. Never imports Ray."""
