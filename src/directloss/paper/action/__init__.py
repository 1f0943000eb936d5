"""Action classification of persons in photographs, as in Table 1 of Song et al. (ICML 2016)."""
