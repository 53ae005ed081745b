/* Checks the declarations that these libraries are built with. */
#include "../abi/check.h"
