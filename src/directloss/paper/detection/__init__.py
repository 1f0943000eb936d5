"""Object detection in the R-CNN way: proposals, features, one score a class, suppression, AP."""
