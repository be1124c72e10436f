/* The part of DLPack that a consumer on the CPU reads: what a capsule "dltensor" holds (https://dmlc.github.io/dlpack,
 * the layout without a version, which every producer gives to who does not ask for a newer one). */
#ifndef VLOSS_DLPACK_H
#define VLOSS_DLPACK_H

#include <stdint.h>

enum { DLPACK_CPU = 1, DLPACK_CUDA_HOST = 3, DLPACK_ROCM_HOST = 11 };          /* kDLCPU, ...: plain memory */
enum { DLPACK_INT = 0, DLPACK_UINT = 1, DLPACK_FLOAT = 2, DLPACK_BFLOAT = 4 }; /* codes of data types */

typedef struct {
  int32_t device_type, device_id;
} DLDevice;

typedef struct {
  uint8_t code, bits;
  uint16_t lanes;
} DLDataType;

typedef struct {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides; /* of elements; no strides: dense */
  uint64_t byte_offset;
} DLTensor; /* the first member of DLManagedTensor */

#endif
