/*
 * Compares the declarations with the facts: a wrong size, offset, type, value or prototype does not compile. Generates no code;
 * include it in one C file of each user of the declarations. Works for riscv64 and amd64, with signed or unsigned char.
 */
#ifndef MAIXSTREAM_CVI_CHECK_H
#define MAIXSTREAM_CVI_CHECK_H

#include <stddef.h>

#include "../include/cvi_common.h"
#include "../include/cvi_errors.h"
#include "../include/cvi_isp.h"
#include "../include/cvi_mipi.h"
#include "../include/cvi_rgn.h"
#include "../include/cvi_sensor.h"
#include "../include/cvi_sys.h"
#include "../include/cvi_venc.h"
#include "../include/cvi_vi.h"
#include "../include/cvi_vpss.h"

_Static_assert(sizeof(void *) == 8 && sizeof(long) == 8, "the MPI is LP64");

#define TYPE(type, size, align) \
	_Static_assert(sizeof(type) == (size), #type ": size is not " #size); \
	_Static_assert(_Alignof(type) == (align), #type ": alignment is not " #align);
/* The type comes last because the type of a function pointer contains commas. */
#define FIELD(type, field, offset, size, ...) \
	_Static_assert(offsetof(type, field) == (offset), #type "." #field ": offset is not " #offset); \
	_Static_assert(sizeof(((type *)0)->field) == (size), #type "." #field ": size is not " #size); \
	_Static_assert(__builtin_types_compatible_p(__typeof__(((type *)0)->field), __VA_ARGS__), #type "." #field ": type is not " #__VA_ARGS__);
#define ENUM(type, size, negative) \
	_Static_assert(sizeof(type) == (size), #type ": size is not " #size); \
	_Static_assert(((type)-1 > (type)0) != (negative), #type ": wrong sign");
#define CONSTANT(name, value) _Static_assert((long long)(name) == (value), #name " is not " #value);
#define TEXT(name, value) _Static_assert(sizeof(name) == sizeof(value) && __builtin_strcmp(name, value) == 0, #name " is not " #value);
#define FUNCTION(name, ...) _Static_assert(__builtin_types_compatible_p(__typeof__(name), __VA_ARGS__), #name " is not " #__VA_ARGS__);

#include "facts.h"

#undef TYPE
#undef FIELD
#undef ENUM
#undef CONSTANT
#undef TEXT
#undef FUNCTION

#endif
