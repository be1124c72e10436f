/* The fuzz factor of Keras, and 1 - eps as float arithmetic has it: for kernels and formulas. */
#ifndef VLOSS_KERNELS_KERAS_EPS_H
#define VLOSS_KERNELS_KERAS_EPS_H

#define KERAS_EPS 1e-7f
#define KERAS_ONE_MINUS_EPS 0x1.fffffcp-1f

#endif
