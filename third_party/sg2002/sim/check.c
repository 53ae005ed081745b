/* The declarations that these libraries are built with are the proven ones. */
#include "../abi/check.h"
