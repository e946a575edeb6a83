"""
Draw salt models
================

Placeholder.
"""

import numpy as np
from matplotlib import pyplot as plt

figure, axes = plt.subplots()
axes.imshow(np.eye(3))
axes.set_title("Placeholder")
