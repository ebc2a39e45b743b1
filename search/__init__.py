"""One study: which trials run, where and for how long. Never imports TensorFlow."""
