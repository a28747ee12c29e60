// How the kernels ask for what the optimiser would not do on its own.
#pragma once

// Small functions that must end up inside the loops that use them, and never as functions of their
// own that the linker could hand to code for another processor.
#define MINIM_INLINE __attribute__((always_inline)) static inline

// Unrolls the next loop, whose count is a constant, so that an array of vectors becomes registers.
// Loops over single values stay as they are: nothing would be won but time to compile.
#if defined(MINIM_SCALAR)
#define MINIM_UNROLL
#elif defined(__clang__)
#define MINIM_UNROLL _Pragma("unroll")
#else
#define MINIM_UNROLL _Pragma("GCC unroll 32")
#endif

// Leaves the next loop over bytes whole, so that the optimiser makes a vector of it instead of
// taking it apart first.
#if defined(__clang__)
#define MINIM_VECTORIZE _Pragma("clang loop unroll(disable)")
#else
#define MINIM_VECTORIZE _Pragma("GCC unroll 1")
#endif

// For asm: a value in a vector register that may change there.
#if defined(__x86_64__)
#define MINIM_REGISTER(value) "+v"(value)
#elif defined(__aarch64__)
#define MINIM_REGISTER(value) "+w"(value)
#else
#define MINIM_REGISTER(value) "+m"(value)
#endif
