#include "base/cpu.h"

enum cpu_level cpu_level = CPU_PLAIN;

#ifdef __x86_64__
__attribute__((constructor)) static void look(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("popcnt"))
        cpu_level = CPU_AVX2;
    if (cpu_level == CPU_AVX2 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi"))
        cpu_level = CPU_AVX512;
}
#endif
