"""One trial: data, models, losses, loops and metrics. TensorFlow lives here."""
