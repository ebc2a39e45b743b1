"""The networks, as Keras models that know nothing of the loops which train them."""
