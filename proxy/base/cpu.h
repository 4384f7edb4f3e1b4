/*
 * cpu.h - what the processor we run on can do.
 *
 * Code for one machine is compiled in files of its own, which CMake gives the
 * flags for it, and is called only if `cpu_level` reaches that far. It is set
 * before main(); tests lower it, so that the plain code is tested as well.
 */
#pragma once

enum cpu_level {
    CPU_PLAIN,  /* what the compiler takes for granted */
    CPU_AVX2,   /* with BMI and POPCNT */
    CPU_AVX512, /* F, BW, DQ, VL and VBMI, which those have that do not slow
                   down for it */
};

extern enum cpu_level cpu_level;
