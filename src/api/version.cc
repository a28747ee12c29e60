#include "minim/minim.h"

uint32_t minim_abi_version(void) noexcept { return MINIM_ABI_VERSION; }
const char* minim_version(void) noexcept { return MINIM_VERSION; }
